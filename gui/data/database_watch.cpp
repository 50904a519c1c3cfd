#include "gui/data/database_watch.hpp"

#include <QDateTime>
#include <QFileInfo>

namespace razorscope::gui {

DatabaseWatch::DatabaseWatch(QObject* parent) : QObject(parent) {
  timer_.setInterval(1000);
  connect(&timer_, &QTimer::timeout, this, &DatabaseWatch::look);
}

void DatabaseWatch::watch(const QString& path) {
  path_ = path;
  seen_ = state();
  since_change_.start();
  if (path.isEmpty()) {
    timer_.stop();
  } else {
    timer_.start();
  }
}

QString DatabaseWatch::state() const {
  QString out;
  for (const char* ending : {"", "-wal"}) {
    const QFileInfo file(path_ + QLatin1String(ending));
    out += QStringLiteral("%1 %2;").arg(file.size()).arg(file.lastModified().toMSecsSinceEpoch());
  }
  return out;
}

void DatabaseWatch::look() {
  if (since_change_.elapsed() < 5 * reading_time_) return;
  const QString now = state();
  if (now == seen_) return;
  seen_ = now;
  since_change_.restart();
  Q_EMIT changed();
}

}  // namespace razorscope::gui
