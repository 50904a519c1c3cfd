// The table of what became of a token in every head.
#include "gui/data/token_audit_model.hpp"

#include <QAbstractItemModelTester>
#include <QSortFilterProxyModel>
#include <gtest/gtest.h>

namespace razorscope::testing {
namespace {

using namespace gui;

std::vector<HeadAudit> three_heads() {
  return {{0, 0, 0, TokenFate::dropped, 0, 2.5, 3, 0.5, 0.5},
          {0, 1, 0, TokenFate::heavy, 2, 1.5, 4, 0.25, 0.125},
          {1, 0, 1, TokenFate::kept, std::nullopt, 0.5, 9, 0.25, 0.0}};
}

QString text_of(const QAbstractItemModel& model, int row, int column) {
  return model.index(row, column).data().toString();
}

TEST(TokenAuditModelTest, IsAModel) {
  TokenAuditModel model;
  const QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::Fatal);
  model.setAudits(three_heads(), 4);
  EXPECT_EQ(model.rowCount(), 3);
  QSortFilterProxyModel sorted;
  sorted.setSourceModel(&model);
  const QAbstractItemModelTester of_sorted(&sorted, QAbstractItemModelTester::FailureReportingMode::Fatal);
  model.setAudits({}, 0);
  EXPECT_EQ(sorted.rowCount(), 0);
}

TEST(TokenAuditModelTest, SaysWhenAHeadLostTheTokenAndWhatItMissed) {
  TokenAuditModel model;
  model.setAudits(three_heads(), 4);
  EXPECT_EQ(text_of(model, 0, TokenAuditModel::left), QStringLiteral("at the end"));
  EXPECT_EQ(text_of(model, 1, TokenAuditModel::left), QStringLiteral("after 2"));
  EXPECT_EQ(text_of(model, 2, TokenAuditModel::left), QStringLiteral("never"));
  EXPECT_EQ(text_of(model, 0, TokenAuditModel::missed), QStringLiteral("12.5")) << "a token of the question";
  EXPECT_EQ(text_of(model, 1, TokenAuditModel::fate), QStringLiteral("heavy"));
  EXPECT_EQ(text_of(model, 2, TokenAuditModel::rank), QStringLiteral("9"));
  EXPECT_EQ(text_of(model, 2, TokenAuditModel::layer), QStringLiteral("1"));
}

TEST(TokenAuditModelTest, SortsByNumbersAndNeverLast) {
  TokenAuditModel model;
  model.setAudits(three_heads(), 4);
  QSortFilterProxyModel sorted;
  sorted.setSourceModel(&model);
  sorted.setSortRole(TokenAuditModel::sortRole);
  sorted.sort(TokenAuditModel::left, Qt::AscendingOrder);
  EXPECT_EQ(text_of(sorted, 2, TokenAuditModel::left), QStringLiteral("never"));
  sorted.sort(TokenAuditModel::rank, Qt::DescendingOrder);
  EXPECT_EQ(text_of(sorted, 0, TokenAuditModel::rank), QStringLiteral("9"));
}

TEST(TokenAuditModelTest, TheSentenceCountsHeads) {
  const QString words = audit_words(three_heads(), 4);
  EXPECT_TRUE(words.contains(QStringLiteral("Lost in 1 of 3 heads at the end of the text, in 1 more")))
      << words.toStdString();
  EXPECT_TRUE(words.contains(QStringLiteral("8.33 %"))) << words.toStdString();  // 1.0 of 3 heads by 4 tokens
  EXPECT_TRUE(words.contains(QStringLiteral("62.5 %"))) << words.toStdString();
  EXPECT_TRUE(audit_words({three_heads().back()}, 4).startsWith(QStringLiteral("Held by all 1 heads")));
}

}  // namespace
}  // namespace razorscope::testing
