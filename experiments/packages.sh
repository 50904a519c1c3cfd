# shellcheck shell=bash
# Sourced by experiments/quickstart and tests/run: the Debian packages that the project needs, and the steps that both
# share (install what is missing, build a preset, say what is going on and how long it took). Wants `set -euo pipefail`,
# and to run in the repository's root.

# shellcheck disable=SC2034  # read by the scripts that source this file
build_packages=(
  # compilers and build programs
  cmake g++ ninja-build pkg-config git
  # the model comes from PyPI
  ca-certificates python3 python3-pip unzip
  # matrix products, vector instructions
  libdnnl-dev libhwy-dev libeigen3-dev
  # discrete-event simulation
  libsimgrid-dev
  # results database, files, command line, messages
  libsqlitecpp-dev libsqlite3-dev nlohmann-json3-dev libcli11-dev libfmt-dev libtomlplusplus-dev
  # text, hashes, the rest
  libicu-dev libxxhash-dev libssl-dev libboost-dev libboost-filesystem-dev
)
# The desktop explorer; the fonts are for pictures that are drawn without a desktop.
# shellcheck disable=SC2034
gui_packages=(qt6-base-dev qt6-svg-dev libqcustomplot-dev fonts-dejavu-core)
# Its windows are tested on an X server of their own.
# shellcheck disable=SC2034
gui_test_packages=(xvfb xdotool)
# shellcheck disable=SC2034
test_packages=(libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev sqlite3 python3-pandas)
# A slow test runs a sweep on a Slurm of its own, which it starts and ends.
# shellcheck disable=SC2034
slurm_packages=(munge slurm-wlm)

# Containers and cron may start us without HOME, and the caches need one.
if [[ -z ${HOME:-} ]]; then
  HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
  export HOME
fi

# What the build and the tests run under: a command, or nothing.
wrapper=()

step_names=()
step_starts=()

# step MESSAGE: begins a step, which lasts until the next one or until print_durations.
step() {
  step_names+=("$1")
  step_starts+=("$SECONDS")
  printf '==> %s\n' "$1"
}

# Prints the seconds that each step took.
print_durations() {
  local i end
  printf 'Seconds by step:\n'
  for i in "${!step_names[@]}"; do
    end=${step_starts[i + 1]:-$SECONDS}
    printf '%6d  %s\n' $((end - step_starts[i])) "${step_names[i]}"
  done
  printf '%6d  in all\n' "$SECONDS"
}

# For an EXIT trap: names the step that was under way when the script failed.
report_failure() {
  local status=$1
  if ((status != 0 && ${#step_names[@]} > 0)); then
    printf '%s: failed (exit status %d) in the step: %s\n' "$0" "$status" "${step_names[-1]}" >&2
  fi
}

# run_apt LOG ARGUMENTS...: apt-get, as root, silent. Another apt may hold a lock: apt-get waits for dpkg's itself but
# not for that of the package lists, hence the loop.
run_apt() {
  local log=$1 deadline=$((SECONDS + 120))
  shift
  while ! "${as_root[@]}" env LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 </dev/null; do
    if ((SECONDS >= deadline)) || ! grep -q 'Could not get lock' "$log"; then
      return 1
    fi
    sleep 2
  done
}

# install_missing PACKAGE...: installs those that are not installed yet. Does nothing, quickly, where all are.
install_missing() {
  local package installed missing=() log
  # shellcheck disable=SC2016  # dpkg-query's own variables
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    if [[ $'\n'$installed$'\n' != *$'\n'"$package installed"$'\n'* ]]; then
      missing+=("$package")
    fi
  done
  if ((${#missing[@]} == 0)); then
    printf '    nothing to install\n'
    return
  fi

  local as_root=() reason=
  if ! command -v apt-get >/dev/null; then
    reason='this system has no apt-get'
  elif ((EUID != 0)); then
    as_root=(sudo)
    if ! command -v sudo >/dev/null; then
      reason='you are not root and there is no sudo'
    elif ! sudo -n true 2>/dev/null && ! { [[ -t 0 ]] && sudo -v; }; then
      reason='you are not root and sudo refused'
    fi
  fi
  if [[ -n $reason ]]; then
    {
      printf 'Missing packages: %s\n' "${missing[*]}"
      printf 'They cannot be installed from here, because %s. On Debian 12, as root:\n' "$reason"
      printf '  apt-get update && apt-get install -y --no-install-recommends %s\n' "${missing[*]}"
    } >&2
    exit 1
  fi

  printf '    installing %s\n' "${missing[*]}"
  log=$(mktemp)
  if ! run_apt "$log" update; then
    printf '    apt-get update failed (%s); trying with the lists that are here\n' \
      "$(grep -m1 '^E:' "$log" || tail -n 1 "$log")" >&2
  fi
  if ! run_apt "$log" install -y --no-install-recommends "${missing[@]}"; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    printf 'apt-get could not install: %s\n' "${missing[*]}" >&2
    exit 1
  fi
  rm -f "$log"
}

# How many compilers fit: one per core, and 1.5 GB of free memory for each.
build_jobs() {
  local cores kilobytes limit jobs
  cores=$(nproc)
  kilobytes=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  if [[ -r /sys/fs/cgroup/memory.max ]] && read -r limit </sys/fs/cgroup/memory.max && [[ $limit != max ]] &&
    ((limit / 1024 < kilobytes)); then
    kilobytes=$((limit / 1024))
  fi
  jobs=$((kilobytes / 1500000))
  printf '%d\n' $((jobs < 1 ? 1 : jobs < cores ? jobs : cores))
}

# build PRESET [TARGET...]: configures where that was not done yet, was done for another copy of the sources, or before
# packages changed (tests appear with theirs); then builds. Silent unless it fails; all is in build/PRESET/build.log.
build() {
  local preset=$1 directory=build/$1 configure=() home targets=()
  local log=$directory/build.log stamp=$directory/configured
  shift
  if (($# > 0)); then
    targets=(--target "$@")
  fi
  mkdir -p "$directory"
  : >"$log"
  printf '    log in %s; takes minutes where nothing is built yet\n' "$log"
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$directory/CMakeCache.txt" 2>/dev/null || true)
  if [[ -z $home ]]; then
    configure=(cmake --preset "$preset")
  elif [[ ! $home -ef . || ! -e $directory/build.ninja ]]; then
    configure=(cmake --fresh --preset "$preset")
  elif [[ ! -e $stamp || /var/lib/dpkg/status -nt $stamp ]]; then
    configure=(cmake --preset "$preset")
  fi
  if ((${#configure[@]} > 0)); then
    if ! "${configure[@]}" >>"$log" 2>&1 </dev/null; then
      tail -n 40 "$log" >&2
      printf 'Configuring the preset %s failed; the whole log is %s\n' "$preset" "$log" >&2
      exit 1
    fi
    touch "$stamp"
  fi
  if ! "${wrapper[@]}" cmake --build --preset "$preset" --parallel "$(build_jobs)" "${targets[@]}" \
    >>"$log" 2>&1 </dev/null; then
    tail -n 40 "$log" >&2
    printf 'Building the preset %s failed; the whole log is %s\n' "$preset" "$log" >&2
    exit 1
  fi
}
