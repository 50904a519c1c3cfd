#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSplitter>
#include <QVBoxLayout>
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "gui/data/explained_text.hpp"
#include "gui/data/explanation_shelf.hpp"
#include "gui/data/format.hpp"
#include "gui/data/token_words.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/map_controls.hpp"
#include "gui/widgets/token_audit_table.hpp"
#include "gui/widgets/token_text.hpp"

namespace razorscope::gui {
namespace {

QString no_explanation() {
  return QStringLiteral(
      "This database holds no explanation of a text.\n\nTo make one:\n"
      "razorscope explain --model smollm2-135m --text experiments/texts/review.txt \\\n"
      "--verdict \"the ending is a disappointment\" --equal-bytes 0.2 --policies "
      "\"h2o;window;razor;occam+q8_0\"");
}

/// What the reading thread makes of a choice.
struct ComputedMap {
  std::vector<TokenStates> states;
  int telling = -1;  // the token that tells most, where none is chosen
};

/// A policy's name beside its place in the snapshot, which is another one's once runs were added.
constexpr int policy_role = Qt::UserRole + 1;

/// A text under two policies side by side, as some heads hold it, and what the model answers after it.
class TokensView final : public View {
 public:
  TokensView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        text_(new QComboBox(this)),
        policies_{new QComboBox(this), new QComboBox(this)},
        controls_(new MapControls(this)),
        attention_(new QCheckBox(tr("Attention of the question"), this)),
        map_(new TokenText(this)),
        below_(new QWidget(this)),
        audit_title_(new QLabel(this)),
        audits_{new TokenAuditTable(this), new TokenAuditTable(this)} {
    setObjectName(QStringLiteral("tokens"));
    text_->setAccessibleName(tr("Text and question"));
    text_->setObjectName(QStringLiteral("text"));
    text_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    policies_[0]->setAccessibleName(tr("Policy on the left"));
    policies_[1]->setAccessibleName(tr("Policy on the right"));
    policies_[0]->setObjectName(QStringLiteral("left"));
    policies_[1]->setObjectName(QStringLiteral("right"));
    attention_->setObjectName(QStringLiteral("attention"));
    attention_->setToolTip(
        tr("Underline what the question looks at with the full cache: the thicker, the more.\n"
           "At the end of the text of the whole question, at a step of the token that was read last."));
    makeLayout();
    connect(text_, &QComboBox::activated, this, [this] { chooseText(); });
    for (QComboBox* box : policies_)
      connect(box, &QComboBox::activated, this, [this, box] { choosePolicies(box); });
    connect(controls_, &MapControls::changed, this, [this] { compute(); });
    connect(attention_, &QCheckBox::toggled, map_, &TokenText::setAttentionShown);
    connect(map_, &TokenText::tokenChosen, this, [this] { audit(); });
    for (TokenAuditTable* table : audits_)
      connect(table, &TokenAuditTable::headPicked, this, [this](int layer, int kv_head) {
        controls_->setChoice({layer, kv_head, controls_->choice().step});
      });
    map_->setCsv([this] {
      std::vector<NamedStates> policies;
      for (size_t i = 0; i < map_->panels().size(); ++i)
        policies.push_back({drawn_[i], map_->panels()[i].states});
      return token_map_csv(policies, computed_);
    });
  }

  Picture* picture() override { return map_; }

  QJsonObject saveState() const override {
    if (wanted_) return *wanted_;
    return {{QStringLiteral("text"), textKey()},
            {QStringLiteral("left"), policyName(0)},
            {QStringLiteral("right"), policyName(1)},
            {QStringLiteral("step"), controls_->choice().step},
            {QStringLiteral("layer"), controls_->choice().layer},
            {QStringLiteral("head"), controls_->choice().head},
            {QStringLiteral("attention"), attention_->isChecked()},
            {QStringLiteral("token"), map_->chosen()},
            {QStringLiteral("zoom"), map_->zoom()}};
  }

  bool isBusy() const override { return computer_.isBusy() || View::isBusy(); }

  void restoreState(const QJsonObject& state) override {
    attention_->setChecked(state[QLatin1String("attention")].toBool());
    map_->setZoom(state[QLatin1String("zoom")].toDouble(1.0));
    wanted_ = state;
    if (explorer().snapshot()) fill();
  }

 protected:
  void update(Changes changes) override {
    if (changes & newSnapshot) shelf_.clear();
    if (changes & (newSnapshot | newFilter)) {
      fill();
    } else if (changes & newSelection) {
      showSelection();
    }
  }

 private:
  void makeLayout() {
    auto* choices = new QHBoxLayout;
    choices->addWidget(text_, 1);
    choices->addWidget(attention_);
    auto* names = new QHBoxLayout;
    auto* tables = new QHBoxLayout;
    for (size_t i = 0; i < 2; ++i) {
      policies_[i]->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
      names->addWidget(policies_[i], 1);
      tables->addWidget(audits_[i], 1);
    }
    auto* audit = new QVBoxLayout(below_);
    audit->setContentsMargins(0, 0, 0, 0);
    audit->addWidget(audit_title_);
    audit->addLayout(tables, 1);
    auto* parts = new QSplitter(Qt::Vertical, this);
    parts->addWidget(map_);
    parts->addWidget(below_);
    parts->setStretchFactor(0, 4);
    parts->setStretchFactor(1, 1);
    parts->setChildrenCollapsible(true);
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(choices);
    layout->addWidget(controls_);
    layout->addLayout(names);
    layout->addWidget(parts, 1);
  }

  QString textKey() const { return text_->currentData().toString(); }
  const ExplainedText* text() const {
    const int index = text_->currentIndex();
    return index < 0 || index >= static_cast<int>(texts_.size()) ? nullptr
                                                                 : &texts_[static_cast<size_t>(index)];
  }
  size_t place(size_t panel) const { return policies_[panel]->currentData().value<size_t>(); }
  QString policyName(size_t panel) const { return policies_[panel]->currentData(policy_role).toString(); }
  /// The snapshot that can be chosen from; nothing where there is a newer one, whose choices are about to
  /// come.
  std::shared_ptr<const Snapshot> filled() const {
    const auto stored = filled_from_.lock();
    return stored == explorer().snapshot() ? stored : nullptr;
  }

  void say(const QString& why) {
    shown_.clear();
    map_->setMessage(why);
    map_->setPanels({});
    for (TokenAuditTable* table : audits_) table->showMessage({});
    audit_title_->clear();
    const bool there = why.isEmpty();
    if (!there) shelf_.cancel();
    below_->setVisible(there);
    for (QWidget* control :
         std::initializer_list<QWidget*>{text_, policies_[0], policies_[1], controls_, attention_})
      control->setEnabled(there);
  }

  /// What can be chosen, after runs or the filter have changed.
  void fill() {
    const auto stored = explorer().snapshot();
    filled_from_ = stored;
    texts_ = stored ? explained_texts(*stored, explorer().visibleRuns()) : std::vector<ExplainedText>();
    const QString before = wanted_ ? (*wanted_)[QLatin1String("text")].toString() : textKey();
    text_->clear();
    for (const ExplainedText& each : texts_) text_->addItem(each.title, QString::fromStdString(each.key));
    if (texts_.empty()) {
      for (QComboBox* box : policies_) box->clear();
      say(!stored                        ? tr("No database is open.")
          : stored->explanations.empty() ? no_explanation()
                                         : tr("The filter leaves no explanation of a text."));
      return;
    }
    text_->setCurrentIndex(std::max(0, text_->findData(before)));
    fillPolicies();
    if (!wanted_ && showSelection()) return;
    read();
  }

  void fillPolicies() {
    const auto stored = filled();
    if (!stored) return;
    const PolicyPair pair = first_pair(*stored, *text());
    text_->setToolTip(text()->title);
    for (size_t panel = 0; panel < 2; ++panel) {
      QComboBox& box = *policies_[panel];
      QString wanted = policyBefore_[panel];
      if (wanted_) wanted = (*wanted_)[QLatin1String(panel == 0 ? "left" : "right")].toString();
      box.clear();
      int index = -1;
      for (const size_t run : text()->places) {
        const ExplanationRow& row = stored->explanation(stored->runs[run]);
        if (index < 0 && QString::fromStdString(row.policy) == wanted) index = box.count();
        box.addItem(policy_text(row.policy), QVariant::fromValue(run));
        box.setItemData(box.count() - 1, QString::fromStdString(row.policy), policy_role);
      }
      if (index < 0) index = box.findData(QVariant::fromValue(panel == 0 ? pair.left : pair.right));
      box.setCurrentIndex(index);
      box.setToolTip(policyName(panel));
    }
  }

  void chooseText() {
    policyBefore_ = {};
    fillPolicies();
    tellSelection(0);
    read();
  }

  void choosePolicies(QComboBox* changed) {
    tellSelection(changed == policies_[0] ? 0 : 1);
    read();
  }

  /// Both policies are selected everywhere; the one that was chosen last is the current run.
  void tellSelection(size_t current) {
    const auto stored = filled();
    if (!stored) return;
    std::vector<RunRef> runs = {stored->runs[place(1 - current)].ref};
    const RunRef last = stored->runs[place(current)].ref;
    if (runs.front() == last) runs.clear();
    runs.push_back(last);
    explorer().select(std::move(runs));
  }

  /// The last two explanations of one text that are selected, or the last one on the left. Whether anything
  /// else is shown than before.
  bool showSelection() {
    const auto stored = filled();
    if (!stored || texts_.empty()) return false;
    std::vector<size_t> wanted;
    const ExplainedText* of = nullptr;
    const std::vector<RunRef>& selection = explorer().selection();
    for (auto ref = selection.rbegin(); ref != selection.rend() && wanted.size() < 2; ++ref) {
      const auto found = stored->places.find(*ref);
      if (found == stored->places.end()) continue;
      for (const ExplainedText& each : texts_) {
        if ((of == nullptr || of == &each) &&
            std::find(each.places.begin(), each.places.end(), found->second) != each.places.end()) {
          of = &each;
          wanted.insert(wanted.begin(), found->second);
          break;
        }
      }
    }
    if (wanted.empty()) return false;
    if (of != text()) {
      text_->setCurrentIndex(static_cast<int>(of - texts_.data()));
      policyBefore_ = {};
      fillPolicies();
    }
    const auto is_shown = [&](size_t run) { return run == place(0) || run == place(1); };
    if (!std::all_of(wanted.begin(), wanted.end(), is_shown)) {
      policies_[0]->setCurrentIndex(policies_[0]->findData(QVariant::fromValue(wanted.front())));
      if (wanted.size() == 2)
        policies_[1]->setCurrentIndex(policies_[1]->findData(QVariant::fromValue(wanted.back())));
    }
    read();
    return true;
  }

  /// Reads the policies that are chosen, then shows them; one panel where both are the same.
  void read() {
    const auto stored = filled();
    if (!stored) return;
    policyBefore_ = {policyName(0), policyName(1)};
    std::vector<int64_t> runs;
    for (size_t panel = 0; panel < 2; ++panel) {
      policies_[panel]->setToolTip(policyName(panel));
      runs.push_back(stored->runs[place(panel)].ref.id);
    }
    if (runs.front() == runs.back()) runs.pop_back();
    shelf_.read(
        explorer(), this, runs, [this](const std::vector<SharedExplanation>& read) { show(read); },
        [this](const QString& problem) { say(tr("The explanation could not be read: %1").arg(problem)); });
  }

  void show(const std::vector<SharedExplanation>& read) {
    if (!map_->message().isEmpty()) say({});
    const bool same_text = !shown_.empty() && shown_text_ == textKey();
    shown_ = read;
    shown_text_ = textKey();
    setExtents();
    const StoredExplanation& first = *shown_.front();
    if (!same_text) {
      const Explanation& explanation = first.explanation;
      map_->setText(shown_pieces(first), explanation.verdict_begin, explanation.verdict_end);
      fresh_ = true;
    }
    if (wanted_) map_->choose((*wanted_)[QLatin1String("token")].toInt(-1));
    wanted_.reset();
    compute();
    if (map_->chosen() >= 0) audit();
  }

  void setExtents() {
    MapExtent extent;
    for (const SharedExplanation& each : shown_) {
      const MapExtent own = map_extent(*each);
      extent.layers = std::max(extent.layers, own.layers);
      extent.heads = std::max(extent.heads, own.heads);
      extent.steps = std::max(extent.steps, own.steps);
    }
    const auto recorded = std::find_if(shown_.begin(), shown_.end(), [](const SharedExplanation& each) {
      return each->explanation.attention != nullptr;
    });
    const auto record = recorded == shown_.end() ? nullptr : (*recorded)->explanation.attention;
    attention_->setEnabled(record != nullptr);
    const auto wanted = [&](const char* key, int present, int missing) {
      return wanted_ ? (*wanted_)[QLatin1String(key)].toInt(missing) : present;
    };
    const MapChoice before = controls_->choice();
    controls_->setExtent(
        extent,
        {wanted("layer", before.layer, -1), wanted("head", before.head, -1), wanted("step", before.step, 0)},
        record);
  }

  /// Computes what the sliders ask for on a thread of its own; where they move meanwhile, once more.
  void compute() {
    if (shown_.empty()) return;
    const MapChoice wanted = controls_->choice();
    again_ = computing_;
    if (computing_) return;
    computing_ = true;
    const auto shown = shown_;
    computer_.run(
        this,
        [shown, wanted, none_chosen = map_->chosen() < 0] {
          ComputedMap result;
          for (const SharedExplanation& each : shown) result.states.push_back(token_states(*each, wanted));
          if (none_chosen) result.telling = most_asked_of_verdict(*shown.front());
          return result;
        },
        [this, shown, wanted](const ComputedMap& result) {
          computing_ = false;
          if (again_ || shown != shown_) return compute();
          computed_ = wanted;
          showPanels(result);
        },
        [this](const QString& problem) {
          computing_ = false;
          say(tr("The explanation could not be shown: %1").arg(problem));
        });
  }

  void showPanels(const ComputedMap& result) {
    std::vector<TokenPanel> panels;
    for (size_t i = 0; i < result.states.size(); ++i)
      panels.push_back(token_panel(*shown_[i], result.states[i]));
    map_->setPanels(std::move(panels));
    drawn_ = shown_;
    if (std::exchange(fresh_, false)) map_->showToken(shown_.front()->row.verdict_begin, true);
    const bool none_chosen = map_->chosen() < 0;
    map_->choose(none_chosen ? result.telling : map_->chosen());
    if (none_chosen) audit();
  }

  void audit() {
    const int token = map_->chosen();
    if (shown_.empty()) return;
    if (token < 0) {
      audit_title_->setText(tr("Click a token to see what became of it in every head."));
      for (TokenAuditTable* table : audits_) table->showMessage({});
      return;
    }
    audit_title_->setText(tr("<b>“%1”</b> (token %2)")
                              .arg(map_->piece(token).trimmed().toHtmlEscaped(), QString::number(token)));
    for (size_t i = 0; i < audits_.size(); ++i) {
      audits_[i]->setVisible(i < shown_.size());
      if (i < shown_.size() && !shown_[i]->explanation.attention)
        audits_[i]->showMessage(tr("Stored by a program that did not record attention: run explain again."));
    }
    const auto shown = shown_;
    computer_.run(
        this,
        [shown, token] {
          std::vector<std::vector<HeadAudit>> audits(shown.size());
          for (size_t i = 0; i < shown.size(); ++i) {
            const Explanation& each = shown[i]->explanation;
            if (each.attention) audits[i] = audit_token(each.policies.front(), *each.attention, token);
          }
          return audits;
        },
        [this, shown, token](const std::vector<std::vector<HeadAudit>>& audits) {
          if (shown != shown_ || token != map_->chosen()) return;
          for (size_t i = 0; i < audits.size(); ++i) {
            if (!shown[i]->explanation.attention) continue;
            audits_[i]->show(policy_text(shown[i]->row.policy), audits[i],
                             shown[i]->explanation.attention->steps());
          }
        });
  }

  QComboBox* text_;
  std::array<QComboBox*, 2> policies_;
  MapControls* controls_;
  QCheckBox* attention_;
  TokenText* map_;
  QWidget* below_;  // what became of the chosen token
  QLabel* audit_title_;
  std::array<TokenAuditTable*, 2> audits_;

  std::weak_ptr<const Snapshot> filled_from_;
  std::vector<ExplainedText> texts_;  // of that
  std::array<QString, 2> policyBefore_;
  std::optional<QJsonObject> wanted_;  // of a session, until its explanation is there
  ExplanationShelf shelf_;
  std::vector<SharedExplanation> shown_;  // from the left to the right
  std::vector<SharedExplanation> drawn_;  // those of the panels, until new ones are computed
  QString shown_text_;
  bool fresh_ = false;  // the text was not shown before
  bool computing_ = false;
  bool again_ = false;
  MapChoice computed_;
  Worker computer_;  // of its own, so that sliders never wait for a database; last, as in the explorer
};

}  // namespace

View* make_tokens_view(Explorer& explorer, QWidget* parent) { return new TokensView(explorer, parent); }

}  // namespace razorscope::gui
