#include "models/devices/catalogue.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

#include "models/base/error.hpp"
#include "models/base/user_directory.hpp"
#include "models/devices/device_file.hpp"

namespace razorscope {
namespace {

std::filesystem::path built_in_folder() {
  const char* folder =
      std::getenv("RAZORSCOPE_DEVICES");  // NOLINT(concurrency-mt-unsafe): nothing calls setenv
  if (folder != nullptr && *folder != '\0') {
    if (!std::filesystem::is_directory(folder))
      throw InputError("RAZORSCOPE_DEVICES", fmt::format("{} is not a folder", folder));
    return folder;
  }
  const std::filesystem::path installed = program_directory() / "../share/razorscope/devices";
  return std::filesystem::is_directory(installed) ? installed : RAZORSCOPE_DEVICE_CATALOGUE_DIR;
}

/// "mine.toml#my card" in its parts; the file is "" where the text is a device's name.
struct DeviceReference {
  std::string file;
  std::string name;
};

DeviceReference parse_reference(const std::string& text) {
  const size_t hash = text.rfind(".toml#");
  if (hash != std::string::npos) return {text.substr(0, hash + 5), text.substr(hash + 6)};
  if (text.ends_with(".toml") || text.find('/') != std::string::npos) return {text, ""};
  return {"", text};
}

/// The device of that name, else the one with that alias; the last of several.
const Device* named(const std::vector<Device>& devices, const std::string& name) {
  const std::string folded = folded_device_name(name);
  const auto has_name = [&](const Device& device) { return folded_device_name(device.name) == folded; };
  const auto has_alias = [&](const Device& device) {
    return std::any_of(device.aliases.begin(), device.aliases.end(),
                       [&](const std::string& alias) { return folded_device_name(alias) == folded; });
  };
  auto found = std::find_if(devices.rbegin(), devices.rend(), has_name);
  if (found == devices.rend()) found = std::find_if(devices.rbegin(), devices.rend(), has_alias);
  return found == devices.rend() ? nullptr : &*found;
}

const Device& require(std::string_view where, const std::vector<Device>& devices, const std::string& name) {
  if (const Device* found = named(devices, name)) return *found;
  std::vector<std::string> names;
  for (const Device& device : devices) names.push_back(device.name);
  throw InputError(where, unknown_name("device", name, names));
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::filesystem::path user_device_folder() {
  return user_directory("XDG_CONFIG_HOME", ".config") / "devices";
}

DeviceCatalogue DeviceCatalogue::built_in() {
  DeviceCatalogue catalogue;
  catalogue.add_folder(built_in_folder());
  return catalogue;
}

DeviceCatalogue DeviceCatalogue::installed() {
  DeviceCatalogue catalogue = built_in();
  if (std::filesystem::is_directory(user_device_folder())) catalogue.add_folder(user_device_folder());
  return catalogue;
}

void DeviceCatalogue::add_folder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  // Files of one folder don't see each other's devices, so that none depends on another's name.
  const std::vector<Device> known = devices();
  for (const std::filesystem::path& file : files) {
    for (Device& device : load_devices(file, known)) {
      const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const CatalogueEntry& entry) {
        return folded_device_name(entry.device.name) == folded_device_name(device.name);
      });
      if (same == entries_.end()) {
        entries_.push_back({std::move(device), file});
      } else {
        *same = {std::move(device), file};
      }
    }
  }
}

std::vector<Device> DeviceCatalogue::devices() const {
  std::vector<Device> devices;
  for (const CatalogueEntry& entry : entries_) devices.push_back(entry.device);
  return devices;
}

std::vector<Device> DeviceCatalogue::devices_named(std::string_view where, const std::string& name) const {
  const DeviceReference reference = parse_reference(name);
  if (reference.file.empty()) return {require(where, devices(), name)};
  std::vector<Device> of_file = load_devices(reference.file, devices());
  if (reference.name.empty()) return of_file;
  return {require(fmt::format("{}: {}", where, reference.file), of_file, reference.name)};
}

Device DeviceCatalogue::find(std::string_view where, const std::string& name) const {
  std::vector<Device> found = devices_named(where, name);
  if (found.size() == 1) return std::move(found.front());
  std::string names;
  for (const Device& device : found)
    names += fmt::format("{}{}#{}", names.empty() ? "" : ", ", name, device.name);
  throw InputError(where,
                   fmt::format("{} holds {} devices; allowed: {}", name, found.size(), names.substr(0, 800)));
}

std::vector<Device> DeviceCatalogue::parse_list(std::string_view where, const std::string& list) const {
  std::vector<Device> devices;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(';', begin), list.size());
    const std::string name = trimmed(list.substr(begin, end - begin));
    if (name.empty()) throw InputError(where, "an empty device name; a list is written 'H100 SXM;L40S'");
    for (Device& device : devices_named(where, name)) devices.push_back(std::move(device));
    begin = end + 1;
  }
  return devices;
}

Device find_device(std::string_view where, const std::string& name) {
  return DeviceCatalogue::installed().find(where, name);
}

std::vector<Device> parse_device_list(std::string_view where, const std::string& list) {
  return DeviceCatalogue::installed().parse_list(where, list);
}

}  // namespace razorscope
