#include "gui/window/welcome_page.hpp"

#include <QCommandLinkButton>
#include <QFileInfo>
#include <QLabel>
#include <QVBoxLayout>

#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {

WelcomePage::WelcomePage(QWidget* parent)
    : QWidget(parent),
      problem_(new QLabel(this)),
      update_(new QPushButton(tr("Bring it up to date"), this)),
      recent_(new QVBoxLayout) {
  setObjectName(QStringLiteral("welcome"));
  auto* title = new QLabel(tr("What does each KV-cache policy cost, save and buy?"));
  QFont large = title->font();
  large.setPointSizeF(large.pointSizeF() * 1.5);
  title->setFont(large);
  title->setWordWrap(true);
  auto* hint = new QLabel(tr("Open a results database, or drop one into this window."));
  hint->setWordWrap(true);
  problem_->setObjectName(QStringLiteral("problem"));
  wrap_words(*problem_);
  problem_->setTextInteractionFlags(Qt::TextSelectableByMouse);
  problem_->hide();
  update_->setObjectName(QStringLiteral("update"));
  update_->setToolTip(tr("Nothing is lost; older programs cannot read it any more"));
  update_->hide();
  connect(update_, &QPushButton::clicked, this, &WelcomePage::updateAsked);
  auto* open = new QCommandLinkButton(tr("Open…"), tr("A database that the command line or a sweep made"));
  open->setObjectName(QStringLiteral("open"));
  auto* sample = new QCommandLinkButton(
      tr("Run the sample"), tr("A minute of replays with the model that Razorscope brings along"));
  sample->setObjectName(QStringLiteral("sample"));
  connect(open, &QPushButton::clicked, this, &WelcomePage::openAsked);
  connect(sample, &QPushButton::clicked, this, &WelcomePage::sampleAsked);

  auto* column = new QVBoxLayout;
  column->addStretch(1);
  column->addWidget(title);
  column->addWidget(hint);
  column->addSpacing(8);
  column->addWidget(problem_);
  column->addWidget(update_, 0, Qt::AlignLeft);
  column->addWidget(open);
  column->addWidget(sample);
  column->addSpacing(8);
  column->addLayout(recent_);
  column->addStretch(2);
  auto* row = new QHBoxLayout(this);
  row->addStretch(1);
  row->addLayout(column, 3);
  row->addStretch(1);
}

void WelcomePage::setRecent(const QStringList& files) {
  while (QLayoutItem* item = recent_->takeAt(0)) {
    item->widget()->deleteLater();
    delete item;
  }
  if (!files.isEmpty()) recent_->addWidget(new QLabel(tr("Recent:")));
  for (const QString& path : files) {
    auto* link = new QLabel(QStringLiteral("<a href='file'>%1</a>").arg(path.toHtmlEscaped()));
    link->setTextInteractionFlags(Qt::LinksAccessibleByMouse | Qt::LinksAccessibleByKeyboard);
    link->setAccessibleName(tr("Open %1").arg(path));
    connect(link, &QLabel::linkActivated, this, [this, path] { Q_EMIT fileAsked(path); });
    recent_->addWidget(link);
  }
}

void WelcomePage::setProblem(const QString& problem, bool mendable) {
  problem_->setText(problem);
  update_->setVisible(mendable);
  problem_->setVisible(!problem.isEmpty());
}

}  // namespace razorscope::gui
