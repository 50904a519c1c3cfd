#pragma once

#include <QSize>
#include <QString>
#include <vector>

#include "gui/widgets/plot_library.hpp"

namespace razorscope::gui {

enum class ExportFormat { png, svg, pdf, csv };
/// "png".
const char* to_string(ExportFormat format);

/// What can be drawn outside of the window as it is drawn in it, and written as the figures that it shows.
class Picture {
 public:
  virtual ~Picture() = default;
  /// As large as it is in the window.
  virtual QSize pictureSize() const = 0;
  virtual void paintPicture(QCPPainter& painter, const QSize& size) = 0;
  /// With a header; every digit.
  virtual QString csv() const = 0;
};

/// Writes a picture (PNG at twice its size) or its figures; see write_file for what happens to the file
/// and what is thrown.
void export_picture(Picture& picture, const QString& path, ExportFormat format);
/// The same of what is drawn already, as PNG.
void export_pixmap(const QPixmap& pixmap, const QString& path);
/// The same of text alone.
void export_text(const QString& text, const QString& path);

/// By the ending of the file's name, among those allowed; InputError with what is allowed.
ExportFormat export_format(const QString& path, const std::vector<ExportFormat>& allowed);

}  // namespace razorscope::gui
