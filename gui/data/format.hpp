#pragma once

#include <QString>
#include <optional>
#include <string>

namespace razorscope::gui {

// How figures and names are written for people; the same in every view. Text that goes into files has every
// digit (full_precision).

/// What a figure is, which tells how it is written.
enum class FigureKind { count, bytes, share, error, milliseconds, rate, nats };

/// "1.5 MiB", "30.2 %", "0.0123", "1,234": three to four digits.
QString figure_text(double value, FigureKind kind);
/// The shortest text that reads back as the same number.
QString full_precision(double value);
/// "30 %", as reports write a share of the full cache's bytes.
QString share_text(double share);
/// "3 min 20 s".
QString duration_text(double seconds);
/// A policy by its label: the canonical name without what is default.
QString policy_text(const std::string& canonical_name);

/// Whether a name stands before another in a list: numbers in names by their value.
bool reads_before(const QString& a, const QString& b);

/// A field of CSV (RFC 4180).
QString csv_field(const QString& text);

}  // namespace razorscope::gui
