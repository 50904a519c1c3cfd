#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/cli/calibrate_device.hpp"
#include "experiments/cli/commands.hpp"
#include "experiments/cli/device_text.hpp"
#include "experiments/cli/options.hpp"
#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"
#include "models/base/machine.hpp"
#include "models/devices/catalogue.hpp"
#include "models/devices/device_file.hpp"

namespace razorscope::cli {
namespace {

struct ShowOptions {
  CommonOptions common;
  std::vector<std::string> words;  // of the name, so that H100 SXM needs no quotes
};

struct CheckOptions {
  CommonOptions common;
  std::string file;
};

struct CalibrateOptions {
  CommonOptions common;
  std::string out;
  bool force = false;
  CalibrationSettings settings;
};

nlohmann::json devices_document(const std::vector<Device>& devices) {
  nlohmann::json list = nlohmann::json::array();
  for (const Device& device : devices) list.push_back(device_json(device));
  return {{"devices", list}};
}

void show(const ShowOptions& options) {
  const DeviceCatalogue catalogue = DeviceCatalogue::installed();
  std::string name;
  for (const std::string& word : options.words) name += (name.empty() ? "" : " ") + word;
  const std::vector<Device> devices =
      options.words.empty() ? catalogue.devices() : catalogue.parse_list("devices", name);
  if (options.common.json) {
    print_json(devices_document(devices));
  } else if (options.words.empty()) {
    fmt::print("{}\n", device_table(devices));
    fmt::print(
        "Dense figures in decimal units: GB and TB/s are 1e9 and 1e12 bytes. Constants are those of the "
        "step-time\n"
        "model: calibrated to measurements of this device, borrowed from a similar one, or uncalibrated, "
        "assumed.\n"
        "`razorscope devices NAME` shows one with its source. Your own: *.toml in {}\n",
        user_device_folder().string());
  } else {
    for (size_t i = 0; i < devices.size(); ++i)
      fmt::print("{}{}", i > 0 ? "\n" : "", device_description(devices[i]));
  }
}

/// What a file may borrow from. A faulty file among the user's own must not keep another from being checked.
std::vector<Device> known_devices() {
  try {
    return DeviceCatalogue::installed().devices();
  } catch (const InputError&) {
    return DeviceCatalogue::built_in().devices();
  }
}

void check(const CheckOptions& options) {
  const DeviceFile file = read_device_file(options.file, known_devices());
  const bool sound = file.faults.empty();
  if (options.common.json) {
    nlohmann::json faults = nlohmann::json::array();
    for (const DeviceFault& fault : file.faults)
      faults.push_back({{"line", fault.line}, {"message", fault.message}});
    nlohmann::json document = devices_document(sound ? file.devices : std::vector<Device>());
    document["file"] = options.file;
    document["faults"] = faults;
    print_json(document);
  } else if (sound) {
    fmt::print("{}: {} device{}, no faults\n\n{}", options.file, file.devices.size(),
               file.devices.size() == 1 ? "" : "s", device_table(file.devices));
  } else {
    for (const DeviceFault& fault : file.faults)
      fmt::print("{}:{}: {}\n", options.file, fault.line, fault.message);
  }
  if (!sound) throw CLI::RuntimeError(2);  // bad input, and all that is to be said about it is said
}

/// Before minutes are spent on what cannot be kept.
void check_output(const CalibrateOptions& options) {
  const std::filesystem::path path = options.out;
  if (std::filesystem::exists(path) && !options.force)
    throw InputError("--out", fmt::format("{} exists already; --force replaces it", options.out));
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();
  if (!std::filesystem::is_directory(folder))
    throw InputError("--out", fmt::format("the folder {} does not exist", folder.string()));
  if (!options.settings.name.empty() && !is_device_name(options.settings.name)) {
    throw InputError("--name",
                     fmt::format("'{}' cannot be a device's name; allowed: up to 80 bytes with a letter or "
                                 "digit, without ; # / and blanks around it",
                                 options.settings.name.substr(0, 80)));
  }
}

void calibrate(const CalibrateOptions& options) {
  check_output(options);
  fmt::print(stderr, "measures for about {:.0f} s with {} of memory; nothing else should run beside it\n",
             15.0 + 1.5 * options.settings.repeats, format_bytes(calibration_bytes()));
  const Device device = calibrate_device(options.settings, *terminal_progress());
  write_file(
      options.out,
      "# Written by razorscope devices calibrate. Figures are decimal: bytes, bytes/s, operations/s.\n\n" +
          format_device(device));
  load_devices(options.out);  // it must read what it wrote
  if (options.common.json) {
    nlohmann::json document = devices_document({device});
    document["file"] = options.out;
    print_json(document);
    return;
  }
  fmt::print("{}\n{}: use it as --device {}, or put it into {}\n", device_description(device), options.out,
             options.out, user_device_folder().string());
}

void add_check(CLI::App& devices) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App* command = add_command(
      devices, "check", "every fault of a device file, with its line; exit code 2 where there is one",
      "razorscope devices check mine.toml\n\n"
      "A device file holds tables such as\n"
      "  [[device]]\n"
      "  name = \"My card\"\n"
      "  vendor = \"Maker\"\n"
      "  memory_bytes = 25_769_803_776          # as the device reports it\n"
      "  memory_kind = \"GDDR6\"\n"
      "  bandwidth_bytes_per_s = 864e9\n"
      "  bf16_flops = 362e12                    # dense; also fp8_flops, int8_ops, link_bytes_per_s\n"
      "  status = \"third-party\"                 # or vendor, vendor copy, disputed, measured\n"
      "  source = \"where the figures are from\"\n"
      "  constants_of = \"L40S\"                  # or [device.attention.bf16] and [device.gemm.bf16]");
  command->add_option("file", options->file, "a device file (TOML)")->required();
  add_common_options(*command, options->common);
  command->callback([options] {
    apply_common_options(options->common);
    check(*options);
  });
}

void add_calibrate(CLI::App& devices) {
  const auto options = std::make_shared<CalibrateOptions>();
  CLI::App* command = add_command(
      devices, "calibrate",
      "measures this machine (memory's bandwidth, products' peak, decode attention) as a device of its own",
      "razorscope devices calibrate --out here.toml --name \"this machine\"\n  razorscope devices here.toml");
  command->add_option("--out", options->out, "the device file to write")->required();
  command->add_flag("--force", options->force, "replace a file that exists");
  command->add_option("--name", options->settings.name, "of the device; default: the processor's name");
  command->add_option("--repeats", options->settings.repeats, "runs of each measurement; the fastest counts")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  add_common_options(*command, options->common, true);
  command->callback([options] {
    apply_common_options(options->common);
    options->settings.seed = options->common.seed;
    calibrate(*options);
  });
}

}  // namespace

void add_devices(CLI::App& app) {
  const auto options = std::make_shared<ShowOptions>();
  CLI::App* command = add_command(
      app, "devices", "GPUs and NPUs: figures, their sources, and constants of the step-time model",
      "razorscope devices\n  razorscope devices h100-sxm\n  razorscope devices mine.toml#\"My card\"");
  command->add_option("name", options->words, "a device, a device file, or several separated by ';'");
  add_common_options(*command, options->common);
  add_check(*command);
  add_calibrate(*command);
  command->callback([command, options] {
    if (!command->get_subcommands().empty()) return;  // which has done its own work
    apply_common_options(options->common);
    show(*options);
  });
}

}  // namespace razorscope::cli
