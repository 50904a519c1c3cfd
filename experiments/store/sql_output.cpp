#include "experiments/store/sql_output.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "experiments/store/csv.hpp"
#include "experiments/store/text_table.hpp"
#include "models/base/error.hpp"

namespace razorscope {
namespace {

using Write = std::function<void(std::string_view)>;

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

std::string hexadecimal(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) out += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return out;
}

/// Counts rows and lets the first of them pass.
class LimitedSink : public SqlSink {
 public:
  LimitedSink(int64_t limit, Write write) : limit_(limit), write_(std::move(write)) {}

  void row(std::span<const SqlValue> values) final {
    if (limit_ > 0 && shown_ == limit_) {
      ++left_out_;
      return;
    }
    ++shown_;
    show(values);
  }

 protected:
  virtual void show(std::span<const SqlValue> values) = 0;

  int64_t shown() const { return shown_; }
  int64_t left_out() const { return left_out_; }
  /// Gathers pieces, since rows are small.
  void put(std::string_view text) {
    constexpr size_t piece = 64 << 10;
    pending_ += text;
    if (pending_.size() >= piece) flush();
  }
  void flush() {
    write_(pending_);
    pending_.clear();
  }

 private:
  int64_t limit_;
  int64_t shown_ = 0;
  int64_t left_out_ = 0;
  Write write_;
  std::string pending_;
};

class TableSink final : public LimitedSink {
 public:
  using LimitedSink::LimitedSink;

  void columns(const std::vector<std::string>& names) override {
    table_ = {Cells()};
    for (const std::string& name : names) table_.front().push_back(cut(name));
    texts_.assign(names.size(), false);
  }
  void end() override {
    put(format_table(table_, TextStyle::plain, texts_));
    if (left_out() > 0)
      put(fmt::format("{} more rows are left out; --limit 0 shows all {}\n", left_out(),
                      left_out() + shown()));
    flush();
  }

 private:
  void show(std::span<const SqlValue> values) override {
    Cells& cells = table_.emplace_back();
    for (const SqlValue& value : values) {
      if (std::holds_alternative<std::string_view>(value)) texts_[cells.size()] = true;
      cells.push_back(cell(value));
    }
  }
  static std::string cell(const SqlValue& value) {
    return std::visit(
        Overloaded{[](std::monostate) { return std::string(); },
                   [](int64_t integer) { return fmt::to_string(integer); },
                   [](double number) {
                     constexpr double largest = 1e15;  // beyond it not every integer is a double
                     const bool whole = std::trunc(number) == number && std::abs(number) < largest;
                     return whole ? fmt::format("{:.0f}", number) : fmt::format("{:.6g}", number);
                   },
                   [](std::string_view text) { return cut(text); },
                   [](std::span<const std::byte> bytes) { return cut(hexadecimal(bytes)); }},
        value);
  }
  /// What fits in a cell, without half a character.
  static std::string cut(std::string_view text) {
    constexpr size_t longest = 100;
    if (text.size() <= longest) return printable(std::string(text), TextStyle::plain);
    size_t end = longest - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
    return printable(std::string(text.substr(0, end)), TextStyle::plain) + "...";
  }

  std::vector<Cells> table_;
  std::vector<bool> texts_;
};

class CsvSink final : public LimitedSink {
 public:
  using LimitedSink::LimitedSink;

  void columns(const std::vector<std::string>& names) override {
    std::vector<std::string> fields;
    for (const std::string& name : names) fields.push_back(csv_field(name));
    put(fmt::format("{}\n", fmt::join(fields, ",")));
  }
  void end() override { flush(); }

 private:
  void show(std::span<const SqlValue> values) override {
    std::string line;
    const char* separator = "";
    for (const SqlValue& value : values) {
      line += separator;
      line += field(value);
      separator = ",";
    }
    put(line += '\n');
  }
  static std::string field(const SqlValue& value) {
    return std::visit(Overloaded{[](std::monostate) { return std::string(); },
                                 [](int64_t integer) { return fmt::to_string(integer); },
                                 [](double number) { return fmt::to_string(number); },
                                 [](std::string_view text) { return csv_field(std::string(text)); },
                                 [](std::span<const std::byte> bytes) { return hexadecimal(bytes); }},
                      value);
  }
};

class JsonSink final : public LimitedSink {
 public:
  using LimitedSink::LimitedSink;

  void columns(const std::vector<std::string>& names) override {
    std::set<std::string> taken;
    for (const std::string& name : names) {
      std::string key = name;
      for (int number = 2; !taken.insert(key).second; ++number) key = fmt::format("{}_{}", name, number);
      keys_.push_back(text(key));
    }
    put(fmt::format("{{\"columns\": [{}], \"rows\": [", fmt::join(keys_, ", ")));
  }
  void end() override {
    put("]}\n");
    flush();
  }

 private:
  void show(std::span<const SqlValue> values) override {
    std::string line = shown() > 1 ? ",\n{" : "\n{";
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) line += ", ";
      line += keys_[i];
      line += ": ";
      line += json(values[i]);
    }
    put(line += '}');
  }
  static std::string text(std::string_view value) {
    return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  static std::string json(const SqlValue& value) {
    return std::visit(Overloaded{[](std::monostate) { return std::string("null"); },
                                 [](int64_t integer) { return fmt::to_string(integer); },
                                 [](double number) { return nlohmann::json(number).dump(); },
                                 [](std::string_view string) { return text(string); },
                                 [](std::span<const std::byte> bytes) { return text(hexadecimal(bytes)); }},
                      value);
  }

  std::vector<std::string> keys_;
};

}  // namespace

SqlFormat sql_format(const std::string& name) {
  if (name == "table") return SqlFormat::table;
  if (name == "csv") return SqlFormat::csv;
  if (name == "json") return SqlFormat::json;
  throw InputError("--format", unknown_name("format", name, {"table", "csv", "json"}));
}

std::unique_ptr<SqlSink> sql_output(SqlFormat format, int64_t limit,
                                    std::function<void(std::string_view)> write) {
  switch (format) {
    case SqlFormat::csv:
      return std::make_unique<CsvSink>(limit, std::move(write));
    case SqlFormat::json:
      return std::make_unique<JsonSink>(limit, std::move(write));
    case SqlFormat::table:
      break;
  }
  return std::make_unique<TableSink>(limit, std::move(write));
}

}  // namespace razorscope
