#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

#include "models/devices/catalogue.hpp"
#include "models/devices/device_file.hpp"
#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using ::testing::ElementsAre;
using testing::expect_input_error;
using testing::TemporaryFolder;

constexpr double gib = 1024.0 * 1024.0 * 1024.0;
constexpr double mib = 1024.0 * 1024.0;
constexpr std::optional<double> none;

/// A row of the specification's table, in the units that it is written in.
struct Row {
  const char* name;
  double memory_bytes;
  bool nominal;
  double terabytes_per_s;
  double bf16;
  std::optional<double> int8;
  std::optional<double> fp8;
  double link;
  const char* status;
};

const std::vector<Row> table = {
    {"A100 SXM 40", 40 * gib, true, 1.555, 312, 624, none, 300, "third-party"},
    {"A100 SXM 80", 80 * gib, true, 2.039, 312, 624, none, 300, "vendor"},
    {"A100 PCIe 80", 80 * gib, true, 1.935, 312, 624, none, 32, "vendor"},
    {"H100 SXM", 80 * gib, true, 3.35, 989, 1979, 1979, 450, "vendor"},
    {"H100 PCIe", 80 * gib, true, 2.0, 756.5, 1513, 1513, 64, "vendor"},
    {"H100 NVL", 94 * gib, true, 3.9, 835, 1671, 1671, 300, "vendor copy"},
    {"H200 SXM", 141 * gib, true, 4.8, 989, 1979, 1979, 450, "vendor"},
    {"B200 SXM", 180 * gib, true, 7.7, 2250, 4500, 4500, 900, "disputed"},
    {"L40S", 46068 * mib, false, 0.864, 362, 733, 733, 32, "vendor"},
    {"L4", 24 * gib, true, 0.3, 121, 242, 242, 32, "vendor"},
    {"RTX 4090", 25250627584.0, false, 1.008, 165.2, 660, 330, 32, "third-party"},
    {"RTX PRO 6000", 97887 * mib, false, 1.792, 467.8, 935.6, 935.6, 64, "vendor"},
    {"MI300X", 192 * gib, true, 5.3, 1307, 2610, 2610, 448, "vendor"},
    {"MI325X", 256 * gib, true, 6.0, 1307, 2610, 2610, 448, "vendor"},
    {"Gaudi 3", 128 * gib, true, 3.7, 1835, none, 1835, 600, "disputed"},
    {"TPU v5e", 16 * gib, true, 0.819, 197, 394, none, 200, "vendor"},
    {"TPU v5p", 95 * gib, true, 2.765, 459, 918, none, 600, "disputed"},
    {"TPU v6e", 32 * gib, true, 1.64, 918, 1836, none, 400, "vendor"},
    {"Ascend 910A", 32 * gib, true, 1.2, 256, 512, none, 30, "third-party"},
    {"Ascend 910B2", 64 * gib, true, 1.6, 353.9, 707.9, none, 196, "vendor"},
    {"Ascend 910B3", 64 * gib, true, 1.6, 294.9, 589.8, none, 196, "vendor"},
    {"Ascend 910B4", 32 * gib, true, 0.8, 245.8, 491.5, none, 32, "vendor"},
    {"Ascend 910C package", 128 * gib, true, 3.2, 707.8, 1416, none, 392, "vendor"},
    {"Ascend 310P", 96 * gib, true, 0.408, 140, 280, none, 32, "third-party"},
    {"Cambricon MLU370-X8", 48 * gib, true, 0.6144, 96, 256, none, 200, "vendor copy"},
};

void expect_peak(const std::optional<double>& peak, const std::optional<double>& tera) {
  ASSERT_EQ(peak.has_value(), tera.has_value());
  if (peak) {
    EXPECT_DOUBLE_EQ(*peak, *tera * 1e12);
  }
}

TEST(DeviceCatalogueTest, HoldsEveryRowOfTheTableInDecimalUnits) {
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  EXPECT_EQ(catalogue.entries().size(), table.size());
  for (const Row& row : table) {
    SCOPED_TRACE(row.name);
    const Device device = catalogue.find("--device", row.name);
    EXPECT_EQ(device.name, row.name);
    EXPECT_EQ(static_cast<double>(device.memory_bytes), row.memory_bytes);
    EXPECT_EQ(device.memory_is_nominal, row.nominal);
    EXPECT_DOUBLE_EQ(device.bandwidth, row.terabytes_per_s * 1e12);
    EXPECT_DOUBLE_EQ(device.bf16_peak, row.bf16 * 1e12);
    expect_peak(device.int8_peak, row.int8);
    expect_peak(device.fp8_peak, row.fp8);
    EXPECT_DOUBLE_EQ(device.link_bandwidth, row.link * 1e9);
    EXPECT_EQ(device.status, row.status);
    EXPECT_FALSE(device.vendor.empty());
    EXPECT_FALSE(device.memory_kind.empty());
    EXPECT_FALSE(device.source.empty());
    EXPECT_TRUE(device.attention.contains("bf16"));
    EXPECT_TRUE(device.gemm.contains("bf16"));
    EXPECT_EQ(device.attention.contains("fp8"), row.fp8.has_value());
    EXPECT_EQ(device.gemm.contains("fp8"), row.fp8.has_value());
  }
}

/// A row of the specification's second table: microseconds, nanoseconds, shares.
struct ConstantsRow {
  const char* name;
  const char* type;
  double efficiency;
  double attention_t0;
  double gemm_t0;
  double bandwidth_efficiency;
  double compute_efficiency;
};

const std::vector<ConstantsRow> constants_table = {
    {"H100 SXM", "bf16", .91, 12, 3, .85, .80},    {"H100 SXM", "fp8", .79, 14, 6, .75, .45},
    {"H200 SXM", "bf16", .88, 12, 4, .85, .80},    {"H200 SXM", "fp8", .61, 12, 8, .85, .50},
    {"B200 SXM", "bf16", .91, 8, 4, .80, .70},     {"B200 SXM", "fp8", .88, 10, 8, .80, .45},
    {"A100 SXM 80", "bf16", .83, 18, 8, .75, .80}, {"L40S", "bf16", .84, 12, 0, .75, .60},
    {"L40S", "fp8", .71, 12, 0, .70, .45},
};

void expect_constants(const Device& device, const ConstantsRow& row, Calibration calibration) {
  SCOPED_TRACE(device.name + " " + row.type);
  const AttentionConstants& attention = device.attention.at(row.type);
  EXPECT_DOUBLE_EQ(attention.efficiency, row.efficiency);
  EXPECT_DOUBLE_EQ(attention.t0_seconds, row.attention_t0 * 1e-6);
  EXPECT_DOUBLE_EQ(attention.per_sequence_seconds, 50e-9);
  EXPECT_EQ(attention.calibration, calibration);
  const GemmConstants& gemm = device.gemm.at(row.type);
  EXPECT_DOUBLE_EQ(gemm.t0_seconds, row.gemm_t0 * 1e-6);
  EXPECT_DOUBLE_EQ(gemm.bandwidth_efficiency, row.bandwidth_efficiency);
  EXPECT_DOUBLE_EQ(gemm.compute_efficiency, row.compute_efficiency);
  EXPECT_EQ(gemm.calibration, calibration);
}

TEST(DeviceCatalogueTest, HoldsTheFittedConstants) {
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  for (const ConstantsRow& row : constants_table)
    expect_constants(catalogue.find("", row.name), row, Calibration::calibrated);
}

TEST(DeviceCatalogueTest, DevicesWithoutMeasurementsBorrowFromSimilarOnes) {
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  const std::vector<std::pair<const char*, const char*>> borrowers = {
      {"H100 PCIe", "L40S"},          {"L4", "L40S"},
      {"RTX PRO 6000", "L40S"},       {"H100 NVL", "H100 SXM"},
      {"A100 SXM 40", "A100 SXM 80"}, {"A100 PCIe 80", "A100 SXM 80"}};
  for (const auto& [borrower, lender] : borrowers) {
    for (const ConstantsRow& row : constants_table) {
      if (row.name == std::string_view(lender))
        expect_constants(catalogue.find("", borrower), row, Calibration::borrowed);
    }
  }
}

/// GeForce halves what the L40S's arithmetic, the same silicon, does with sums in f32: .60 of the whole rate
/// is more than that.
TEST(DeviceCatalogueTest, ABorrowedShareOfAHalvedRateIsOfTheWhole) {
  const Device device = DeviceCatalogue::built_in().find("", "RTX 4090");
  EXPECT_EQ(device.constants_of, "L40S");
  EXPECT_DOUBLE_EQ(device.gemm.at("bf16").compute_efficiency, 1.0);
  EXPECT_DOUBLE_EQ(device.gemm.at("bf16").bandwidth_efficiency, 0.75);
  EXPECT_EQ(device.gemm.at("bf16").calibration, Calibration::borrowed);
  EXPECT_DOUBLE_EQ(device.attention.at("bf16").efficiency, 0.84);
}

TEST(DeviceCatalogueTest, WhereNobodyMeasuredConstantsAreAssumed) {
  for (const char* name :
       {"MI300X", "MI325X", "Gaudi 3", "TPU v5e", "TPU v5p", "TPU v6e", "Ascend 910A", "Ascend 910B2",
        "Ascend 910B3", "Ascend 910B4", "Ascend 910C", "Ascend 310P", "MLU370-X8"}) {
    SCOPED_TRACE(name);
    const Device device = DeviceCatalogue::built_in().find("", name);
    for (const auto& [type, attention] : device.attention) {
      EXPECT_EQ(attention.calibration, Calibration::uncalibrated);
      EXPECT_DOUBLE_EQ(attention.efficiency, .70);
      EXPECT_DOUBLE_EQ(attention.t0_seconds, 12e-6);
      EXPECT_DOUBLE_EQ(attention.per_sequence_seconds, 50e-9);
    }
    for (const auto& [type, gemm] : device.gemm) {
      EXPECT_EQ(gemm.calibration, Calibration::uncalibrated);
      EXPECT_DOUBLE_EQ(gemm.t0_seconds, 4e-6);
      EXPECT_DOUBLE_EQ(gemm.bandwidth_efficiency, .70);
      EXPECT_DOUBLE_EQ(gemm.compute_efficiency, .55);
    }
  }
}

TEST(DeviceCatalogueTest, FindsNamesHoweverTheyAreSpelt) {
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  const std::vector<std::pair<const char*, const char*>> spellings = {
      {"h100-sxm", "H100 SXM"},
      {"H100SXM", "H100 SXM"},
      {"rtx4090", "RTX 4090"},
      {"ascend_910b2", "Ascend 910B2"},
      {"a100-80g", "A100 SXM 80"},
      {"Ascend 310P (Atlas 300I Duo)", "Ascend 310P"},
      {"mlu370-x8", "Cambricon MLU370-X8"}};
  for (const auto& [spelling, name] : spellings) EXPECT_EQ(catalogue.find("", spelling).name, name);
  expect_input_error([&] { catalogue.find("--device", "H100 SXN"); },
                     {"--device", "unknown device 'H100 SXN'", "did you mean 'H100 SXM'", "MI300X"});
  expect_input_error([&] { catalogue.find("--device", ""); }, {"--device", "unknown device ''"});
}

TEST(DeviceCatalogueTest, ParsesListsOfDevices) {
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  std::vector<std::string> names;
  for (const Device& device : catalogue.parse_list("--devices", "l40s; H100 SXM ;l40s"))
    names.push_back(device.name);
  EXPECT_THAT(names, ElementsAre("L40S", "H100 SXM", "L40S"));
  for (const char* list : {"", ";", "L40S;", ";L40S", "L40S;;L4"})
    expect_input_error([&] { catalogue.parse_list("--devices", list); }, {"--devices", "empty device name"});
}

constexpr const char* two_cards = R"([[device]]
name = "My card"
vendor = "Me"
memory_bytes = 8_589_934_592
memory_kind = "GDDR6"
bandwidth_bytes_per_s = 448e9
bf16_flops = 40e12
status = "measured"
source = "my own measurements"
constants_of = "L40S"

[[device]]
name = "Other card"
vendor = "Me"
memory_bytes = 17_179_869_184
memory_kind = "GDDR6"
bandwidth_bytes_per_s = 512e9
bf16_flops = 50e12
status = "third-party"
source = "a review"
)";

TEST(DeviceCatalogueTest, TakesAPathForAName) {
  const TemporaryFolder folder;
  const std::string file = folder.write("mine.toml", two_cards).string();
  const DeviceCatalogue catalogue = DeviceCatalogue::built_in();
  const Device mine = catalogue.find("--device", file + "#my-card");
  EXPECT_EQ(mine.name, "My card");
  EXPECT_EQ(mine.attention.at("bf16").calibration, Calibration::borrowed);
  EXPECT_FALSE(mine.attention.contains("fp8")) << "the card has no fp8";
  EXPECT_EQ(catalogue.parse_list("--devices", file + ";L4").size(), 3U);
  expect_input_error([&] { catalogue.find("--device", file); },
                     {"--device", "holds 2 devices", "#Other card"});
  expect_input_error([&] { catalogue.find("--device", file + "#my cart"); },
                     {"--device", "mine.toml", "did you mean 'My card'"});
  expect_input_error([&] { catalogue.find("--device", "no/such.toml"); }, {"no/such.toml", "No such file"});
}

/// Sets an environment variable while it lives.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

TEST(DeviceCatalogueTest, UsersAddAndReplaceDevices) {
  const TemporaryFolder folder;
  const Environment environment("XDG_CONFIG_HOME", folder.path().string());
  EXPECT_EQ(DeviceCatalogue::installed().entries().size(), table.size());
  std::filesystem::create_directories(folder / "razorscope/devices");
  std::string text = two_cards;
  text.replace(text.find("Other card"), 10, "l-4");
  folder.write("razorscope/devices/mine.toml", text);
  folder.write("razorscope/devices/notes.txt", "not a device file");
  const DeviceCatalogue catalogue = DeviceCatalogue::installed();
  EXPECT_EQ(catalogue.entries().size(), table.size() + 1);
  EXPECT_EQ(catalogue.find("", "My card").vendor, "Me");
  EXPECT_EQ(catalogue.find("", "L4").vendor, "Me") << "the user's own takes the place of the built-in one";
  EXPECT_EQ(find_device("", "my card").vendor, "Me");
  folder.write("razorscope/devices/wrong.toml", "x = 1\n");
  expect_input_error([] { DeviceCatalogue::installed(); },
                     {"wrong.toml:1", "device: is missing", "1 more fault)"});
}

TEST(DeviceCatalogueTest, AFolderCanTakeThePlaceOfTheBuiltInOne) {
  const TemporaryFolder folder;
  folder.write("one.toml", std::string(two_cards).replace(
                               std::string(two_cards).find("constants_of = \"L40S\"\n"), 22, ""));
  {
    const Environment environment("RAZORSCOPE_DEVICES", folder.path().string());
    EXPECT_EQ(DeviceCatalogue::built_in().entries().size(), 2U);
  }
  const Environment environment("RAZORSCOPE_DEVICES", (folder / "none").string());
  expect_input_error([] { DeviceCatalogue::built_in(); }, {"RAZORSCOPE_DEVICES", "none is not a folder"});
}

}  // namespace
}  // namespace razorscope
