#include "worker/configuration.h"

#include "config/settings.h"
#include "data/dataset.h"
#include "models/model.h"

namespace bitsweep::worker {

config::TrialConfig trial_config(const nlohmann::json& settings, const nlohmann::json& paths,
                                 std::optional<std::int64_t> input_height) {
  config::Settings local = config::Settings::from_json(settings);
  for (const auto& [key, path] : paths.items()) local.set(key, path.get<std::string>(), "job");
  config::TrialConfig out = config::to_trial(local);
  if (!input_height) input_height = models::input_shape(out.model).height;
  out.data.image_size =
      data::shape_of(data::datasets().get(out.data.name), out.data.image_size, *input_height)
          .height;
  return out;
}

}  // namespace bitsweep::worker
