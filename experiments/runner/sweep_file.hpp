#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace razorscope {

/// An option of a command, as a key of a sweep file.
struct SweepKey {
  enum class Kind { flag, integer, number, text };
  std::string name;  // without "--"
  Kind kind = Kind::text;
  bool several = false;  // one value may be a list of words
  bool required = false;
  std::string alias = {};  // another name of it; "": none
};

/// A command that sweeps may run.
struct SweepCommand {
  std::string name;  // as on the command line: "replay", "task needle"
  std::vector<SweepKey> keys;
  bool takes_policies = false;  // through the key `policies`
  bool one_process = false;     // runs all policies of a setting at once
  bool records = false;  // takes model, text, compute and dtype in place of a trace, which is then recorded
};

/// One value of a key: the words of the command line; of a flag "true" or "false".
using SweepValue = std::vector<std::string>;

/// A key with the values that it runs through.
struct SweepAxis {
  std::string key;
  std::vector<SweepValue> values;  // never empty
  int line = 1;
};

/// One table of a sweep file: a command over all combinations of its keys' values.
struct SweepGrid {
  std::string command;
  int line = 1;
  std::vector<SweepAxis> axes;        // in the order of the file; `policies` is not among them
  std::vector<std::string> policies;  // canonical names; empty: the command's own, or it has none
};

struct SweepFile {
  std::string name;  // the key `name`, else the file's name without its ending
  std::string toml;  // the file
  std::vector<SweepGrid> grids;
};

/// The name that a file's sweep has, also where the file is faulty otherwise; where its name cannot be read,
/// the file's own without its ending.
std::string sweep_name(const std::filesystem::path& path);

/// Reads a sweep file:
///
///   name = "head-share"                                    # optional
///   [[replay]]                                             # a command; several tables are several grids
///   trace  = "trace.safetensors"                           # a key: an option without "--"
///   prefix = [1024, 1536]                                  # a list multiplies
///   steps  = 64
///   policies = ["full", {selection = "razor", recent = [124, 380], codec = ["f16", "q8_0"]}]
///
/// A list within a list is one value of several words (`text = [["a.txt", "b.txt"]]`: both together). A table
/// among `policies` is a grid over a selection's parameters, its variant and codec. Relative paths start from
/// `base`, if something lies there; else from where the program runs, as on the command line.
///
/// InputError that names file, lines and all that is wrong with it, with the nearest names of unknown ones.
SweepFile read_sweep_file(const std::filesystem::path& path, const std::filesystem::path& base,
                          const std::vector<SweepCommand>& commands);

}  // namespace razorscope
