#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSplitter>
#include <QTextBrowser>
#include <QVBoxLayout>
#include <algorithm>
#include <memory>

#include "experiments/store/head_numbers.hpp"
#include "gui/data/head_words.hpp"
#include "gui/views/view.hpp"
#include "gui/widgets/combo_choice.hpp"
#include "gui/widgets/heat_map.hpp"
#include "gui/widgets/picture_group.hpp"
#include "gui/widgets/share_slider.hpp"
#include "gui/widgets/wrapped_label.hpp"

namespace razorscope::gui {
namespace {

constexpr size_t most_runs = 30;  // whose errors of a head are told

/// Where in a model a policy errs, beside what a probe says of each head: two heat maps of layers and heads,
/// the retrieval heads outlined in both.
class HeadsView final : public View {
 public:
  HeadsView(Explorer& explorer, QWidget* parent)
      : View(explorer, parent),
        scores_(new QComboBox(this)),
        probe_(new QComboBox(this)),
        figure_(new QComboBox(this)),
        show_(new QComboBox(this)),
        induction_(new ShareSlider(tr("by induction"), 0.5, usual().induction, this)),
        echo_(new ShareSlider(tr("by echo"), 0.2, usual().echo, this)),
        count_(new QLabel(this)),
        score_map_(new HeatMapChart(QStringLiteral("Head scores"), this)),
        error_map_(new HeatMapChart(QStringLiteral("Head errors"), this)),
        summary_(new QLabel(this)),
        page_(new QTextBrowser(this)),
        picture_(*this, {score_map_, error_map_}, [this] { return csv(); }) {
    makeControls();
    auto* maps = new QSplitter(Qt::Horizontal, this);
    maps->addWidget(score_map_);
    maps->addWidget(error_map_);
    maps->setStretchFactor(0, 2);
    maps->setStretchFactor(1, 3);
    maps->setChildrenCollapsible(false);
    auto* sheet = new QSplitter(Qt::Vertical, this);
    sheet->addWidget(maps);
    sheet->addWidget(page_);
    sheet->setStretchFactor(0, 5);
    sheet->setStretchFactor(1, 1);
    sheet->setSizes({480, 150});
    auto* layout = new QVBoxLayout(this);
    layout->addLayout(choices_);
    layout->addLayout(shares_);
    layout->addWidget(summary_);
    layout->addWidget(sheet, 1);

    score_map_->setAxisLabels(tr("KV head"), tr("layer"));
    error_map_->setAxisLabels(tr("query head"), tr("layer"));
    score_map_->setWords([this](int layer, int head) { return wordsOfScores({layer, head, -1}); });
    error_map_->setWords([this](int layer, int head) { return wordsOfErrors(layer, head); });
    connect(score_map_, &HeatMapChart::cellClicked, this, [this](int layer, int head) {
      mark(HeadPlace{layer, head, -1});
    });
    connect(error_map_, &HeatMapChart::cellClicked, this, [this](int layer, int head) {
      mark(HeadPlace{layer, groupSize() > 0 ? head / groupSize() : 0, head});
    });
  }

  Picture* picture() override { return &picture_; }

  /// A line for each head of each map that is shown.
  QString csv() const override {
    QString out = QStringLiteral("map,layer,head,value,is_retrieval_head\n");
    const auto write = [&](const QString& name, const HeadMap& map, int group) {
      for (int layer = 0; layer < map.layers; ++layer) {
        for (int head = 0; head < map.heads; ++head) {
          out += QStringLiteral("%1,%2,%3,%4,%5\n")
                     .arg(name)
                     .arg(layer)
                     .arg(head)
                     .arg(full_precision(map.at(layer, head)))
                     .arg(isChosen(layer, group > 0 ? head / group : head) ? 1 : 0);
        }
      }
    };
    if (show_->currentIndex() != 2) write(scores_->currentData().toString(), score_map_->map(), 1);
    if (show_->currentIndex() != 1) write(figure_->currentData().toString(), error_map_->map(), groupSize());
    return out;
  }

  QJsonObject saveState() const override {
    return {{QStringLiteral("scores"), scores_->currentData().toString()},
            {QStringLiteral("figure"), figure_->currentData().toString()},
            {QStringLiteral("show"), show_->currentData().toString()},
            {QStringLiteral("probe"), probe_->currentData().toLongLong()},
            {QStringLiteral("induction"), induction_->share()},
            {QStringLiteral("echo"), echo_->share()},
            {QStringLiteral("layer"), marked_ ? marked_->layer : -1},
            {QStringLiteral("kvHead"), marked_ ? marked_->kv_head : -1},
            {QStringLiteral("queryHead"), marked_ ? marked_->query_head : -1}};
  }

  void restoreState(const QJsonObject& state) override {
    const auto choose = [&](QComboBox& box, const char* key) {
      choose_data(box, state[QLatin1String(key)].toString());
    };
    choose(*scores_, "scores");
    choose(*figure_, "figure");
    choose(*show_, "show");
    wanted_probe_ = state[QLatin1String("probe")].toInteger(0);
    induction_->setShare(state[QLatin1String("induction")].toDouble(usual().induction));
    echo_->setShare(state[QLatin1String("echo")].toDouble(usual().echo));
    const int layer = state[QLatin1String("layer")].toInt(-1);
    const int head = state[QLatin1String("kvHead")].toInt(-1);
    const int query_head = state[QLatin1String("queryHead")].toInt(-1);
    const auto is_number = [](int number) { return number >= 0 && number < most_heads; };
    marked_.reset();
    if (is_number(layer) && is_number(head))
      marked_ = HeadPlace{layer, head, is_number(query_head) ? query_head : -1};
    fillProbes();
    fill();
  }

  bool isBusy() const override { return loading_ || View::isBusy(); }

 protected:
  void update(Changes changes) override {
    if (changes & newSnapshot) runs_.clear();
    fillProbes();
    load();
    fill();
  }

 private:
  static HeadChoiceParameters usual() { return usual_parameters(HeadChoice::paper); }

  void makeControls() {
    const auto add = [](QComboBox& box, const char* name,
                        std::initializer_list<std::pair<QString, const char*>> items) {
      box.setAccessibleName(tr(name));
      for (const auto& [text, key] : items) box.addItem(text, QString::fromUtf8(key));
    };
    add(*scores_, "Scores",
        {{tr("Induction score"), "induction"},
         {tr("Echo score"), "echo"},
         {tr("Stability over probes"), "stability"}});
    add(*show_, "Maps", {{tr("Both maps"), "both"}, {tr("Scores"), "scores"}, {tr("Errors"), "errors"}});
    figure_->setAccessibleName(tr("Error"));
    for (const HeadFigure& figure : head_error_figures()) {
      figure_->addItem(QString::fromUtf8(figure.title), QString::fromUtf8(figure.key));
      figure_->setItemData(figure_->count() - 1, QString::fromUtf8(figure.help), Qt::ToolTipRole);
    }
    probe_->setAccessibleName(tr("Probe"));
    probe_->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    probe_->setMinimumContentsLength(10);
    wrap_words(*summary_);
    summary_->setObjectName(QStringLiteral("summary"));
    count_->setObjectName(QStringLiteral("count"));
    page_->setAccessibleName(tr("Details of a head"));
    page_->setMinimumHeight(60);
    choices_ = new QHBoxLayout;
    choices_->addWidget(show_);
    choices_->addWidget(scores_);
    choices_->addWidget(new QLabel(tr("of probe")));
    choices_->addWidget(probe_, 1);
    choices_->addWidget(new QLabel(tr("beside")));
    choices_->addWidget(figure_);
    shares_ = new QHBoxLayout;
    shares_->addWidget(new QLabel(tr("Retrieval heads:")));
    shares_->addWidget(induction_, 3);
    shares_->addWidget(echo_, 2);
    shares_->addWidget(count_);
    for (QComboBox* box : {scores_, probe_, figure_, show_})
      connect(box, &QComboBox::activated, this, [this] { fill(); });
    for (ShareSlider* slider : {induction_, echo_})
      connect(slider, &ShareSlider::shareChanged, this, [this] { fill(); });
  }

  /// The current run, else the last selected one, else the filter's first that lost something, else its
  /// first.
  const Run* chooseRun(const Snapshot& stored) const {
    const auto& selected = explorer().selection();
    for (auto run = selected.rbegin(); run != selected.rend(); ++run) {
      const Run* found = stored.find(*run);
      if (found != nullptr && found->kind == RunKind::replay) return found;
    }
    const Run* first = nullptr;
    for (const size_t place : explorer().visibleRuns()) {
      const Run& run = stored.runs[place];
      if (run.kind != RunKind::replay) continue;
      if (first == nullptr) first = &run;
      if (!stored.replay(run).dropped_nothing) return &run;
    }
    return first;
  }

  /// The model whose heads are shown: the run's, else that of the latest probe.
  std::string modelOf(const Snapshot& stored, const Run* run) const {
    if (run != nullptr) return stored.replay(*run).model;
    return probes_.empty() ? std::string() : probes_.back().entry.model;
  }

  /// A slider asks for them at each of its steps.
  void groupProbes(const std::shared_ptr<const Snapshot>& stored) {
    if (stored && stored == probes_from_.lock()) return;
    probes_from_ = stored;
    probes_ = stored ? probes_of(*stored) : std::vector<ProbeHeads>();
  }

  void fillProbes() {
    const auto stored = explorer().snapshot();
    const qlonglong before = wanted_probe_ != 0 ? wanted_probe_ : probe_->currentData().toLongLong();
    probe_->clear();
    groupProbes(stored);
    if (!stored) return;
    const std::string model = modelOf(*stored, chooseRun(*stored));
    for (const ProbeHeads& probe : probes_) {
      if (probe.entry.model == model)
        probe_->addItem(probe.entry.text(), QVariant::fromValue<qlonglong>(probe.entry.id));
    }
    const int found = probe_->findData(before);
    if (found >= 0) wanted_probe_ = 0;
    probe_->setCurrentIndex(found >= 0 ? found : probe_->count() - 1);
  }

  /// Reads what of the runs that are shown is not there yet.
  void load() {
    const auto stored = explorer().snapshot();
    const int asked = ++asked_;
    loading_ = false;
    problem_.clear();
    if (!stored) return;
    const Run* shown = chooseRun(*stored);
    std::vector<HeadErrorsOfRun> wanted;
    const auto want = [&](const Run* run) {
      if (run == nullptr || run->kind != RunKind::replay || wanted.size() >= most_runs) return;
      for (const HeadErrorsOfRun& other : wanted) {
        if (other.run == run->ref) return;
      }
      wanted.push_back({run->ref, policy_text(stored->policy(*run)), {}});
    };
    want(shown);
    for (const RunRef& run : explorer().selection()) {
      if (wanted.size() < most_runs) want(stored->find(run));
    }
    for (HeadErrorsOfRun& run : wanted) {
      for (HeadErrorsOfRun& known : runs_) {
        if (known.run == run.run) run.heads = known.heads;
      }
    }
    if (std::all_of(wanted.begin(), wanted.end(), [](const auto& run) { return !run.heads.empty(); })) {
      runs_ = std::move(wanted);
      return;
    }
    loading_ = true;
    explorer().worker().read(
        stored->path, this,
        [wanted](Store& store) {
          std::vector<HeadErrorsOfRun> read = wanted;
          for (HeadErrorsOfRun& run : read) {
            if (run.heads.empty()) run.heads = store.head_errors(run.run.id);
          }
          return read;
        },
        [this, asked](const std::vector<HeadErrorsOfRun>& read) {
          if (asked != asked_) return;
          loading_ = false;
          runs_ = read;
          fill();
        },
        [this, asked](const QString& why) {
          if (asked != asked_) return;
          loading_ = false;
          runs_.clear();
          problem_ = why;
          fill();
        });
  }

  const HeadErrorsOfRun* shownRun() const { return runs_.empty() ? nullptr : &runs_.front(); }
  const HeadFigure& figure() const {
    return head_error_figures()[static_cast<size_t>(std::max(0, figure_->currentIndex()))];
  }
  /// Null where there is none.
  const ProbeHeads* probe() const { return find_probe(probes_, probe_->currentData().toLongLong()); }
  bool isChosen(int layer, int kv_head) const {
    return std::binary_search(chosen_.begin(), chosen_.end(), HeadId{layer, kv_head});
  }
  /// Query heads that share a KV head.
  int groupSize() const {
    const HeadErrorsOfRun* run = shownRun();
    const int kv_heads = run == nullptr ? 0 : kv_heads_of(run->heads);
    return kv_heads == 0 ? 0 : error_map_->map().heads / kv_heads;
  }

  void fill() {
    const auto stored = explorer().snapshot();
    score_map_->setVisible(show_->currentIndex() != 2);
    error_map_->setVisible(show_->currentIndex() != 1);
    chosen_.clear();
    if (!stored) {
      score_map_->setMessage(tr("No database is open."));
      error_map_->setMessage(tr("No database is open."));
      return;
    }
    fillScores(*stored);
    fillErrors(*stored);
    drawMarks();
    tell(*stored);
  }

  void fillScores(const Snapshot& stored) {
    const Run* run = chooseRun(stored);
    const std::string model = modelOf(stored, run);
    const ProbeHeads* const shown = probe();
    if (shown == nullptr) {
      const QString name = run == nullptr ? tr("a model") : QString::fromStdString(model);
      score_map_->setMap({}, {}, FigureKind::error);
      score_map_->setMessage(
          tr("No probe of %1 is stored in this database.\n“razorscope probe --model …” finds "
             "out which heads retrieve.")
              .arg(name));
      count_->clear();
      return;
    }
    score_map_->setMessage({});
    HeadChoiceParameters parameters = usual();
    parameters.induction = induction_->share();
    parameters.echo = echo_->share();
    const HeadScores& scores = shown->scores;
    chosen_ = choose_retrieval_heads(scores, parameters);
    const QString what = scores_->currentData().toString();
    if (what == QLatin1String("stability")) {
      Stability stability = stability_map(probes_, model, parameters);
      score_map_->setCaption(tr("Share of %1 probes").arg(stability.probes));
      score_map_->setMap(std::move(stability.map), {0.0, 1.0, false}, FigureKind::share);
    } else {
      HeadMap map = what == QLatin1String("echo") ? echo_map(scores) : induction_map(scores);
      const double most = map.empty() ? 0.0 : *std::max_element(map.values.begin(), map.values.end());
      score_map_->setCaption(tr("%1, probe %2").arg(scores_->currentText()).arg(shown->entry.id));
      score_map_->setMap(std::move(map), {0.0, most, false}, FigureKind::error);
    }
    std::vector<CellSpan> outlines;
    for (const auto& [layer, head] : chosen_) outlines.push_back({layer, head, 1});
    score_map_->setOutlines(tr("retrieval heads"), std::move(outlines));
    count_->setText(tr("%1 of %2 KV heads").arg(chosen_.size()).arg(scores.layers * scores.kv_heads));
  }

  void fillErrors(const Snapshot& stored) {
    const HeadErrorsOfRun* run = shownRun();
    if (run == nullptr || run->heads.empty()) {
      error_map_->setMap({}, {}, FigureKind::error);
      error_map_->setMessage(
          loading_              ? tr("Reading…")
          : !problem_.isEmpty() ? problem_
          : chooseRun(stored) == nullptr
              ? tr("None of these runs is a replay: others do not measure heads one by one.")
              : tr("No figures of single heads are stored of this run."));
      return;
    }
    error_map_->setMessage({});
    HeadMap map = error_map(run->heads, figure());
    const ColourScale scale = error_scale(map.values);
    error_map_->setMap(std::move(map), scale, FigureKind::error);
    error_map_->setCaption(tr("%1 of %2").arg(QString::fromUtf8(figure().title), shortened(run->policy)));
    std::vector<CellSpan> outlines;
    for (const auto& [layer, head] : chosen_) outlines.push_back({layer, head * groupSize(), groupSize()});
    error_map_->setOutlines(tr("retrieval heads"), std::move(outlines));
  }

  static QString shortened(const QString& policy) {
    constexpr int most = 44;
    return policy.size() <= most ? policy : policy.left(most - 1) + u'…';
  }

  void mark(const HeadPlace& place) {
    marked_ = marked_ == place ? std::nullopt : std::optional(place);
    drawMarks();
    if (explorer().snapshot()) tell(*explorer().snapshot());
  }

  void drawMarks() {
    const HeadMap& scores = score_map_->map();
    const HeadMap& errors = error_map_->map();
    const bool fits = marked_ && (marked_->layer < std::max(scores.layers, errors.layers)) &&
                      (marked_->kv_head < std::max(scores.heads, errors.heads));
    if (!fits) {
      score_map_->setMarked({});
      error_map_->setMarked({});
      return;
    }
    score_map_->setMarked(CellSpan{marked_->layer, marked_->kv_head, 1});
    error_map_->setMarked(marked_->query_head >= 0
                              ? CellSpan{marked_->layer, marked_->query_head, 1}
                              : CellSpan{marked_->layer, marked_->kv_head * groupSize(), groupSize()});
  }

  /// What the maps come to, in a sentence; and what is known of the head that is marked.
  void tell(const Snapshot& stored) {
    const HeadErrorsOfRun* run = shownRun();
    QString text;
    if (run != nullptr && !run->heads.empty()) {
      const Run* const shown = stored.find(run->run);
      const bool is_selected = explorer().isSelected(run->run);
      const bool drops = shown != nullptr && !stored.replay(*shown).dropped_nothing;
      text = (is_selected ? tr("Run %1: %2")
              : drops ? tr("No replay is selected; shown is run %1, the filter's first that drops tokens: %2")
                      : tr("No replay is selected; shown is run %1, the filter's first: %2"))
                 .arg(QString::number(run->run.id), run->policy);
      if (shown != nullptr && shown->subject >= 0)
        text += tr(" on %1.").arg(stored.subjects[static_cast<size_t>(shown->subject)]);
      const HeadMeans means = head_means(run->heads, figure(), chosen_);
      if (means.retrieval && means.others) {
        text += tr(" %1: %2 in retrieval heads, %3 in the others (means).")
                    .arg(QString::fromUtf8(figure().title), figure_text(*means.retrieval, FigureKind::error),
                         figure_text(*means.others, FigureKind::error));
      }
    }
    summary_->setText(text);
    summary_->setVisible(!text.isEmpty());
    page_->setHtml(marked_ ? head_page(probe(), *marked_, isChosen(marked_->layer, marked_->kv_head), runs_)
                           : hint());
  }

  QString hint() const {
    QString html = tr("Click a head for its scores, ranks, and errors in all selected runs.");
    const HeadErrorsOfRun* run = shownRun();
    if (run == nullptr || run->heads.empty()) return html;
    html += tr("<p><b>%1 is largest in</b><br>").arg(QString::fromUtf8(figure().title));
    return html + worst_heads(*run, figure(), 4).join(QStringLiteral("<br>"));
  }

  QString wordsOfScores(const HeadPlace& place) const {
    QString text =
        place_text(place) + u'\n' + score_words(probe(), place, isChosen(place.layer, place.kv_head));
    if (scores_->currentData().toString() == QLatin1String("stability"))
      text += tr("\nchosen in %1 of the probes")
                  .arg(share_text(score_map_->map().at(place.layer, place.kv_head)));
    return text;
  }

  QString wordsOfErrors(int layer, int head) const {
    const int group = groupSize();
    const HeadPlace place{layer, group > 0 ? head / group : 0, head};
    QString text = place_text(place);
    text += QStringLiteral("\n%1: %2")
                .arg(QString::fromUtf8(figure().title),
                     figure_text(error_map_->map().at(layer, head), FigureKind::error));
    if (isChosen(layer, place.kv_head)) text += tr("\na retrieval head");
    return text;
  }

  QComboBox* scores_;
  QComboBox* probe_;
  QComboBox* figure_;
  QComboBox* show_;
  ShareSlider* induction_;
  ShareSlider* echo_;
  QLabel* count_;
  HeatMapChart* score_map_;
  HeatMapChart* error_map_;
  QLabel* summary_;
  QTextBrowser* page_;
  QHBoxLayout* choices_ = nullptr;
  QHBoxLayout* shares_ = nullptr;
  PictureGroup picture_;
  std::weak_ptr<const Snapshot> probes_from_;
  std::vector<ProbeHeads> probes_;     // of that
  std::vector<HeadErrorsOfRun> runs_;  // the one that is shown, then the others that are selected
  std::vector<HeadId> chosen_;         // retrieval heads, ascending
  std::optional<HeadPlace> marked_;
  qlonglong wanted_probe_ = 0;  // of a session, until a database has it
  QString problem_;
  int asked_ = 0;
  bool loading_ = false;
};

}  // namespace

View* make_heads_view(Explorer& explorer, QWidget* parent) { return new HeadsView(explorer, parent); }

}  // namespace razorscope::gui
