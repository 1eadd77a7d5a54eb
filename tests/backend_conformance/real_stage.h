// An engine of the operating system on stage.
#pragma once

#include <memory>

#include "platform/engine.h"
#include "tests/backend_conformance/stage.h"

namespace portshare {

std::unique_ptr<Stage> make_real_stage(Engine engine);

}  // namespace portshare
