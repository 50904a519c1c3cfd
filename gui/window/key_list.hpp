#pragma once

#include <QString>

namespace razorscope::gui {

/// All keys and what they do, as HTML.
QString key_list_html();

}  // namespace razorscope::gui
