#pragma once

#include <string_view>

namespace razorscope {

/// Who wants to know how far a long computation is. Libraries call it, only programs print. Called from one
/// thread. An implementation stops the computation by throwing Interrupted from `advance`.
class Progress {
 public:
  virtual ~Progress() = default;
  /// A phase of `total` units begins; the rate and the time left refer to it.
  virtual void begin(std::string_view phase, double total, std::string_view unit) = 0;
  /// `done` of the phase's units are finished.
  virtual void advance(double done) = 0;
};

/// Tells nobody.
class NoProgress final : public Progress {
 public:
  void begin(std::string_view, double, std::string_view) override {}
  void advance(double) override {}
};

}  // namespace razorscope
