#include "models/devices/device_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "tests/support/expect_input_error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace razorscope {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::expect_input_error;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TemporaryFolder;

// Line 1 is [[device]]; each key has the line of its place here.
constexpr const char* sound = R"([[device]]
name = "Card"
vendor = "Maker"
memory_bytes = 85_899_345_920
memory_kind = "HBM3"
bandwidth_bytes_per_s = 3.35e12
bf16_flops = 989e12
fp8_flops = 1979e12
status = "vendor"
source = "a data sheet"

[device.attention.bf16]
efficiency = 0.91
t0_us = 12
per_sequence_ns = 50
calibration = "calibrated"

[device.gemm.bf16]
t0_us = 3
bandwidth_efficiency = 0.85
compute_efficiency = 0.80
calibration = "calibrated"
)";

std::string with(const std::string& old_text, const std::string& new_text, std::string text = sound) {
  const size_t at = text.find(old_text);
  EXPECT_NE(at, std::string::npos) << old_text;
  return text.replace(at, old_text.size(), new_text);
}

class DeviceFileTest : public ::testing::Test {
 protected:
  std::vector<DeviceFault> faults(const std::string& text) const {
    return read_device_file(folder_.write("devices.toml", text)).faults;
  }
  /// Exactly one fault, in this line, with this text.
  void expect_fault(const std::string& text, int line, const std::string& fragment) const {
    EXPECT_THAT(faults(text), ElementsAre(AllOf(Field(&DeviceFault::line, line),
                                                Field(&DeviceFault::message, HasSubstr(fragment)))))
        << text;
  }
  TemporaryFolder folder_;
};

TEST_F(DeviceFileTest, ReadsADevice) {
  const DeviceFile file = read_device_file(folder_.write("devices.toml", sound));
  ASSERT_TRUE(file.faults.empty()) << file.faults.front().message;
  ASSERT_EQ(file.devices.size(), 1U);
  const Device& device = file.devices.front();
  EXPECT_EQ(device.name, "Card");
  EXPECT_EQ(device.memory_bytes, 85899345920);
  EXPECT_EQ(device.bandwidth, 3.35e12);
  EXPECT_EQ(device.fp8_peak, 1979e12);
  EXPECT_EQ(device.int8_peak, std::nullopt);
  EXPECT_EQ(device.link_bandwidth, 0.0);
  EXPECT_EQ(device.attention.at("bf16").t0_seconds, 12e-6);
  EXPECT_EQ(device.attention.at("bf16").calibration, Calibration::calibrated);
  EXPECT_EQ(device.attention.at("fp8").calibration, Calibration::uncalibrated);
  EXPECT_EQ(device.gemm.at("bf16").compute_efficiency, 0.8);
}

TEST_F(DeviceFileTest, AMisspeltKeyIsUnknownAndTheOneThatWasMeantIsMissing) {
  EXPECT_THAT(faults(with("vendor", "vandor")),
              ElementsAre(Field(&DeviceFault::message, "device 'Card': vendor: is missing"),
                          Field(&DeviceFault::message, HasSubstr("did you mean 'vendor'?"))));
}

TEST_F(DeviceFileTest, RefusesUnknownKeysWithTheNearestName) {
  expect_fault(with("fp8_flops", "fp8_flop"), 8, "unknown key 'fp8_flop' (did you mean 'fp8_flops'?)");
  expect_fault(with("t0_us = 12", "t0_us = 12\nt0_ms = 1"), 15, "attention.bf16.t0_ms: unknown key");
  expect_fault(with("attention.bf16", "attention.bf17"), 12, "attention.bf17: unknown key");
  expect_fault(std::string("speed = 1\n") + sound, 1, "speed: unknown key");
}

TEST_F(DeviceFileTest, RefusesMissingKeys) {
  for (const char* line : {"name = \"Card\"\n", "vendor = \"Maker\"\n", "memory_bytes = 85_899_345_920\n",
                           "memory_kind = \"HBM3\"\n", "bandwidth_bytes_per_s = 3.35e12\n",
                           "bf16_flops = 989e12\n", "status = \"vendor\"\n", "source = \"a data sheet\"\n"}) {
    const std::string key = std::string(line).substr(0, std::string(line).find(' '));
    expect_fault(with(line, ""), 1, key + ": is missing");
  }
  expect_fault(with("efficiency = 0.91\n", ""), 12, "attention.bf16.efficiency: is missing");
  expect_fault(with("calibration = \"calibrated\"\n\n", "\n"), 12, "attention.bf16.calibration: is missing");
}

TEST_F(DeviceFileTest, RefusesWrongTypes) {
  expect_fault(with("3.35e12", "\"3.35e12\""), 6, "bandwidth_bytes_per_s: must be a number, not a string");
  expect_fault(with("\"Card\"", "7"), 2, "name: must be a string, not an integer");
  expect_fault(with("989e12", "true"), 7, "must be a number, not a boolean");
  expect_fault(with("989e12", "[989e12]"), 7, "must be a number, not an array");
  expect_fault(with("989e12", "1979-05-27"), 7, "must be a number, not a date");
  expect_fault(with("status", "memory_is_nominal = 1\nstatus"), 9, "must be true or false");
  expect_fault(with("status", "aliases = \"x\"\nstatus"), 9, "must be an array of strings");
  expect_fault(with("status", "aliases = [1]\nstatus"), 9, "must be an array of strings");
  expect_fault(with("[[device]]", "[device]"), 1, "must be tables, each with the header [[device]]");
  expect_fault("device = 3\n", 1, "[[device]]");
  expect_fault("device = [3]\n", 1, "[[device]]");
  expect_fault("# nothing\n", 1, "device: is missing");
}

TEST_F(DeviceFileTest, RefusesFiguresThatCannotBeMeant) {
  for (const char* figure : {"0", "-1", "-3.35e12", "nan", "inf", "-inf", "3350", "3.35", "1e30"})
    expect_fault(with("3.35e12", figure), 6, "allowed: 1e9 to 1e16 bytes/s (1 GB/s is 1e9");
  for (const char* figure : {"0", "-989e12", "nan", "inf", "989", "989_000"})
    expect_fault(with("989e12", figure), 7, "allowed: 1e9 to 1e19 operations/s");
  for (const char* figure : {"0", "-80", "80", "81920", "1e18", "nan"})
    expect_fault(with("85_899_345_920", figure), 4, "allowed: 1e8 to 1e15 bytes");
  expect_fault(with("85_899_345_920", "85899345920.5"), 4, "not a whole number");
  EXPECT_THAT(faults(with("85_899_345_920", "80e9")), IsEmpty());
  for (const char* share : {"0", "0.0", "-0.1", "1.01", "91", "nan", "inf"}) {
    expect_fault(with("0.91", share), 13, "attention.bf16.efficiency");
    expect_fault(with("0.85", share), 20, "gemm.bf16.bandwidth_efficiency");
    expect_fault(with("0.80", share), 21, "gemm.bf16.compute_efficiency");
  }
  EXPECT_THAT(faults(with("0.91", "1")), IsEmpty());
  expect_fault(with("t0_us = 12", "t0_us = -1"), 14, "attention.bf16.t0_us");
  EXPECT_THAT(faults(with("t0_us = 12", "t0_us = 0")), IsEmpty());
  expect_fault(with("status", "link_bytes_per_s = 450\nstatus"), 9, "link_bytes_per_s");
  expect_fault(with("989e12", "99999999999999999999"), 7, "is not TOML");
}

TEST_F(DeviceFileTest, RefusesUnknownWords) {
  expect_fault(with("\"vendor\"", "\"vender\""), 9,
               "unknown value 'vender' (did you mean 'vendor'?); allowed: vendor, vendor copy, third-party, "
               "disputed, measured");
  expect_fault(with("\"calibrated\"", "\"exact\""), 16, "allowed: calibrated, borrowed, uncalibrated");
}

TEST_F(DeviceFileTest, RefusesNamesThatCannotStandInALine) {
  for (const char* name : {"", " ", "a;b", "a#b", "a/b", "-", "x.toml", " x", "a\\nb"})
    EXPECT_EQ(faults(with("\"Card\"", fmt::format("\"{}\"", name))).size(), 1U) << name;
  expect_fault(with("\"Card\"", "\"" + std::string(100, 'x') + "\""), 2, "cannot be a device's name");
  expect_fault(with("status", "aliases = [\"a;b\"]\nstatus"), 9, "cannot be a device's name");
  EXPECT_THAT(faults(with("\"Card\"", "\"Gerät (2 × 40 GB)\"")), IsEmpty());
}

TEST_F(DeviceFileTest, RefusesNamesGivenTwice) {
  expect_fault(std::string(sound) + with("\"Card\"", "\"CARD\""), 24,
               "'CARD' also names the device in line 2");
  expect_fault(std::string(sound) + with("\"Card\"", "\"Two\"\naliases = [\"ca-rd\"]"), 25,
               "aliases: 'ca-rd' also names the device in line 2");
  EXPECT_THAT(faults(with("\"Card\"", "\"Card\"\naliases = [\"card\", \"C\"]")), IsEmpty());
  expect_fault(with("vendor", "name = \"Card\"\nvendor"), 3, "is not TOML");
}

std::string borrower(const std::string& name, const std::string& lender) {
  std::string text = with("\"Card\"", "\"" + name + "\"");
  text.resize(text.find("\n[device.attention"));
  return text + "constants_of = \"" + lender + "\"\n";  // line 11
}

TEST_F(DeviceFileTest, BorrowsConstants) {
  const DeviceFile file = read_device_file(
      folder_.write("devices.toml", borrower("A", "B") + borrower("B", "card") + std::string(sound)));
  ASSERT_TRUE(file.faults.empty()) << file.faults.front().message;
  EXPECT_EQ(file.devices[0].attention.at("bf16").efficiency, 0.91);
  EXPECT_EQ(file.devices[0].attention.at("bf16").calibration, Calibration::borrowed);
  EXPECT_EQ(file.devices[0].attention.at("fp8").calibration, Calibration::uncalibrated);
  EXPECT_EQ(file.devices[1].gemm.at("bf16").t0_seconds, 3e-6);
  EXPECT_EQ(file.devices[2].gemm.at("bf16").calibration, Calibration::calibrated);
  const std::vector<Device> borrowed =
      load_devices(folder_.write("b.toml", borrower("C", "A")), file.devices);
  EXPECT_EQ(borrowed.front().gemm.at("bf16").calibration, Calibration::borrowed);
}

TEST_F(DeviceFileTest, RefusesConstantsOfNobodyAndCircles) {
  expect_fault(borrower("A", "Cart") + sound, 11,
               "constants_of: unknown device 'Cart' (did you mean 'Card'?)");
  expect_fault(borrower("A", "A"), 11, "constants_of: 'A' borrows from this device: a circle");
  EXPECT_THAT(faults(borrower("A", "B") + borrower("B", "A")),
              ElementsAre(Field(&DeviceFault::line, 11), Field(&DeviceFault::line, 22)));
  expect_fault(borrower("A", "Card") + "[device.attention]\n" + sound, 11,
               "cannot stand beside attention or gemm");
  std::string bare = sound;
  bare.resize(bare.find("\n[device.attention"));
  expect_fault(bare + borrower("A", "Card"), 21, "'Card' has no measured constants to borrow");
}

TEST_F(DeviceFileTest, Fp8ProductsNeedAnFp8Peak) {
  expect_fault(with("fp8_flops = 1979e12\n", "") +
                   "[device.gemm.fp8]\nt0_us = 1\nbandwidth_efficiency = 1\ncompute_efficiency = 1\n"
                   "calibration = \"borrowed\"\n",
               17, "fp8_flops is missing");
}

TEST_F(DeviceFileTest, NotesEveryFaultInTheOrderOfLines) {
  const std::string text =
      with("0.80", "8", with("vendor\"", "x\"", with("3.35e12", "3350", with("Card", "a;b"))));
  EXPECT_THAT(faults(text), ElementsAre(Field(&DeviceFault::line, 2), Field(&DeviceFault::line, 6),
                                        Field(&DeviceFault::line, 9), Field(&DeviceFault::line, 21)));
  expect_input_error([&] { load_devices(folder_.write("many.toml", text)); },
                     {"many.toml:2: device 'a;b': name", "3 more faults"});
}

TEST_F(DeviceFileTest, RefusesWhatIsNotTomlWithItsLine) {
  expect_fault(with("bf16_flops = ", "bf16_flops "), 7, "is not TOML");
  expect_fault(with("\"Maker\"", "\"Maker"), 3, "is not TOML");
  expect_fault(with("memory_kind", std::string("\0x", 2)), 5, "is not text in UTF-8");
  expect_fault(with("Maker", "\xff"), 3, "is not text in UTF-8");
  expect_fault(std::string(3000000, 'a'), 1, "at most 1.0 MiB");
  expect_fault(std::string(500000, '['), 1, "is not TOML");
  expect_fault(
      "a" +
          [] {
            std::string deep;
            for (int i = 0; i < 200000; ++i) deep += ".a";
            return deep;
          }() +
          " = 1\n",
      1, "dots in one line");
  expect_input_error([&] { load_devices(folder_.write("empty.toml", "")); }, {"empty.toml", "is empty"});
  expect_input_error([&] { load_devices(folder_ / "none.toml"); }, {"none.toml", "No such file"});
  expect_input_error([&] { load_devices(folder_.path()); }, {"not a regular file"});
}

TEST_F(DeviceFileTest, RefusesMoreDevicesThanAnybodyWrites) {
  std::string text;
  for (int i = 0; i < 10000; ++i)
    text += fmt::format("[[device]]\nname = \"{}\"\nconstants_of = \"{}\"\n", i, i + 1);
  EXPECT_THAT(faults(text),
              ::testing::Contains(Field(&DeviceFault::message, HasSubstr("at most 256 devices"))));
}

TEST_F(DeviceFileTest, TruncatedAndDamagedFilesNeverCrash) {
  const std::string text = std::string(sound) + borrower("A", "Card") + borrower("B", "A");
  const auto read = [&](const std::string& damaged) {
    if (damaged.empty()) return;
    const DeviceFile file = read_device_file(folder_.write("damaged.toml", damaged));
    for (const DeviceFault& fault : file.faults) {
      EXPECT_GE(fault.line, 1);
      EXPECT_FALSE(fault.message.empty());
    }
  };
  for (size_t length = 1; length < text.size(); length += 3) read(text.substr(0, length));
  std::mt19937 random(1);
  const std::string alphabet = "[]{}=.,\"'\\#\n\r\t _-+0129eEinfautx\xc3\xff";
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = text;
    for (size_t change = 1 + random() % 6; change > 0; --change) {
      const size_t at = random() % damaged.size();
      switch (random() % 4) {
        case 0:
          damaged[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          damaged.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        case 2:
          damaged.erase(at, 1 + random() % 20);
          break;
        default:
          damaged.insert(at, damaged.substr(random() % damaged.size(), random() % 60));
      }
      if (damaged.empty()) break;
    }
    read(damaged);
  }
}

TEST_F(DeviceFileTest, WritesWhatItReads) {
  Device device = load_devices(folder_.write("devices.toml", sound)).front();
  device.name = R"(A "quoted" \ name)";
  device.aliases = {"one", "two"};
  device.note = "a note";
  device.memory_is_nominal = true;
  device.int8_peak = 123.4e12;
  device.link_bandwidth = 450e9;
  const std::string text = format_device(device);
  const Device again = load_devices(folder_.write("written.toml", text)).front();
  EXPECT_EQ(format_device(again), text);
  EXPECT_EQ(again.name, device.name);
  EXPECT_EQ(again.aliases, device.aliases);
  EXPECT_EQ(again.memory_bytes, device.memory_bytes);
  EXPECT_EQ(again.int8_peak, device.int8_peak);
  EXPECT_EQ(again.attention.at("bf16").t0_seconds, device.attention.at("bf16").t0_seconds);
  EXPECT_EQ(again.gemm.at("fp8").calibration, Calibration::uncalibrated);
}

}  // namespace
}  // namespace razorscope
