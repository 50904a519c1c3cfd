#include "gui/widgets/picture.hpp"

#include <QBuffer>
#include <QFile>
#include <QFileInfo>
#include <QImage>
#include <QPdfWriter>
#include <QSvgGenerator>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "experiments/store/write_file.hpp"
#include "models/base/error.hpp"

namespace razorscope::gui {
namespace {

constexpr double png_scale = 2.0;

void write_bytes(const QString& path, const QByteArray& bytes) {
  write_file(QFile::encodeName(path).toStdString(), {bytes.constData(), static_cast<size_t>(bytes.size())});
}

void paint(Picture& picture, QPaintDevice& device, const QSize& size, bool vectors) {
  QCPPainter painter;
  painter.begin(&device);
  painter.setRenderHint(QPainter::Antialiasing);
  painter.setModes(vectors ? QCPPainter::pmVectorized | QCPPainter::pmNoCaching : QCPPainter::pmNoCaching);
  picture.paintPicture(painter, size);
}

QByteArray png(Picture& picture, const QSize& size) {
  QImage image(size * png_scale, QImage::Format_ARGB32_Premultiplied);
  image.setDevicePixelRatio(png_scale);
  image.fill(Qt::transparent);
  paint(picture, image, size, false);
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  image.save(&buffer, "PNG");
  return buffer.data();
}

QByteArray svg(Picture& picture, const QSize& size) {
  QBuffer buffer;
  QSvgGenerator generator;
  generator.setOutputDevice(&buffer);
  generator.setSize(size);
  generator.setViewBox(QRect(QPoint(0, 0), size));
  generator.setTitle(QStringLiteral("Razorscope"));
  paint(picture, generator, size, true);
  return buffer.data();
}

QByteArray pdf(Picture& picture, const QSize& size) {
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  {
    QPdfWriter writer(&buffer);
    writer.setCreator(QStringLiteral("Razorscope"));
    writer.setResolution(96);
    writer.setPageSize(
        QPageSize(QSizeF(size) * 72.0 / 96.0, QPageSize::Point, QString(), QPageSize::ExactMatch));
    writer.setPageMargins(QMarginsF());
    paint(picture, writer, size, true);
  }
  return buffer.data();
}

}  // namespace

const char* to_string(ExportFormat format) {
  static constexpr const char* names[] = {"png", "svg", "pdf", "csv"};
  return names[static_cast<size_t>(format)];
}

void export_picture(Picture& picture, const QString& path, ExportFormat format) {
  const QSize size = picture.pictureSize();
  switch (format) {
    case ExportFormat::png:
      return write_bytes(path, png(picture, size));
    case ExportFormat::svg:
      return write_bytes(path, svg(picture, size));
    case ExportFormat::pdf:
      return write_bytes(path, pdf(picture, size));
    case ExportFormat::csv:
      return export_text(picture.csv(), path);
  }
}

void export_pixmap(const QPixmap& pixmap, const QString& path) {
  QBuffer buffer;
  buffer.open(QIODevice::WriteOnly);
  pixmap.save(&buffer, "PNG");
  write_bytes(path, buffer.data());
}

void export_text(const QString& text, const QString& path) { write_bytes(path, text.toUtf8()); }

ExportFormat export_format(const QString& path, const std::vector<ExportFormat>& allowed) {
  const QString ending = QFileInfo(path).suffix().toLower();
  std::vector<std::string> names;
  for (const ExportFormat format : allowed) {
    if (ending == QLatin1String(to_string(format))) return format;
    names.push_back(std::string(".") + to_string(format));
  }
  throw InputError(path.toStdString(), fmt::format("cannot be written as '.{}'; allowed: {}",
                                                   ending.toStdString(), fmt::join(names, ", ")));
}

}  // namespace razorscope::gui
