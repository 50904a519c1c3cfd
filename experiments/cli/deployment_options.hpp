#pragma once

#include "sim/serving/deployment_options.hpp"

namespace CLI {
class App;
}

namespace razorscope::cli {

/// What `plan` and `serve` say alike about a model on devices.
/// several_devices: --devices takes a list; else --device takes one.
void add_deployment_options(CLI::App& command, DeploymentOptions& options, bool several_devices);

}  // namespace razorscope::cli
