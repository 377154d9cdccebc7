// What a command asks a worker beside trials (run/ask.h): one JSON object in, one out.
//   {"question": "export", "key", "name", "settings", "paths", "file", "device", "threads"}
//       makes the trial's network again, runs it on the trial's test images and writes `file`
//       → {"recorded", "bitmap"}
//   {"question": "verify", "file", "data_root"?, "device", "threads"}
//       runs the network of `file` → {"again", "bitmap"}
//   {"question": "compare", "file", "settings", "paths", "image", "device", "threads"}
//       makes the trial's network again beside that of `file`: weights, and every node's output for
//       one image → {"label", "weights": [row], "outputs": [row]}
//   {"question": "distances", "file", "settings", "paths", "image", …}
//       that of `file` against the float network, node by node → {"label", "outputs": [row]}
//   {"question": "export_integers" | "compare_integers", …}: worker/integer_questions.h
// "bitmap" is in hexadecimal digits; a row has "name" and the fields of ptq::TensorDistance.
#pragma once

#include <nlohmann/json.hpp>

#include "worker/send.h"

namespace bitsweep::worker {

// Sends "progress" and at last {"event": "answer", …}, or {"event": "refused", "message",
// "exit_code"}. Throws nothing that a question can cause.
void answer(const nlohmann::json& question, const Send& send);

}  // namespace bitsweep::worker
