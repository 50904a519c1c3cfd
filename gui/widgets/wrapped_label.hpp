#pragma once

#include <QLabel>

namespace razorscope::gui {

/// Text in as many lines as it takes. A word without end, such as a model's name may be, must not make the
/// window as wide.
inline void wrap_words(QLabel& label) {
  label.setWordWrap(true);
  label.setMinimumWidth(1);
}

}  // namespace razorscope::gui
