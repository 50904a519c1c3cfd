#pragma once

#include <QComboBox>
#include <QVariant>

namespace razorscope::gui {

/// Chooses the entry with this data; where there is none, as of a session of another program, nothing
/// changes.
inline void choose_data(QComboBox& box, const QVariant& data) {
  const int found = box.findData(data);
  if (found >= 0) box.setCurrentIndex(found);
}

}  // namespace razorscope::gui
