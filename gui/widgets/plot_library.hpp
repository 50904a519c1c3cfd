#pragma once

// QCustomPlot's header needs Qt's keywords, one of which, `slots`, is a word of ours: they are there for it
// alone.

// NOLINTBEGIN
#define signals Q_SIGNALS
#define slots Q_SLOTS
#define emit
#define foreach Q_FOREACH
#include <qcustomplot.h>
#undef signals
#undef slots
#undef emit
#undef foreach
// NOLINTEND
