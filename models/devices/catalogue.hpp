#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "models/devices/device.hpp"

namespace razorscope {

/// A device and the file that describes it.
struct CatalogueEntry {
  Device device;
  std::filesystem::path file;
};

/// Devices by name: those that the program brings, and the user's own, which take the place of those of the
/// same name. Immutable once loaded.
class DeviceCatalogue {
 public:
  /// What the program brings: the *.toml files of $RAZORSCOPE_DEVICES where it is set, else those that are
  /// installed beside the program, else of this source tree. InputError where one is faulty.
  static DeviceCatalogue built_in();
  /// The same and the *.toml files of ${XDG_CONFIG_HOME:-~/.config}/razorscope/devices.
  static DeviceCatalogue installed();

  const std::vector<CatalogueEntry>& entries() const { return entries_; }
  std::vector<Device> devices() const;

  /// By name or alias, as folded_device_name() compares them; or the one device of a file ("./mine.toml"), or
  /// one of several ("mine.toml#my card"). InputError in the name of `where` with the nearest name otherwise.
  Device find(std::string_view where, const std::string& name) const;
  /// "H100 SXM;L40S;mine.toml": in the order given; a file stands for all its devices. At least one.
  std::vector<Device> parse_list(std::string_view where, const std::string& list) const;

 private:
  void add_folder(const std::filesystem::path& folder);
  std::vector<Device> devices_named(std::string_view where, const std::string& name) const;

  std::vector<CatalogueEntry> entries_;
};

/// The same from the installed catalogue.
Device find_device(std::string_view where, const std::string& name);
std::vector<Device> parse_device_list(std::string_view where, const std::string& list);

/// Where the user's own files lie.
std::filesystem::path user_device_folder();

}  // namespace razorscope
