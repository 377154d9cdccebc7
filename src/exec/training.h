// The training executor: walks the planned steps of a graph (exec/training_plan.h) forwards and
// backwards itself, without autograd. Parameters, gradients and the learned α of quantizers lie in
// flat buffers; activations in buffers that are made once.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "exec/fused.h"
#include "exec/learned_step.h"
#include "exec/training_ops.h"
#include "exec/training_plan.h"
#include "graph/graph.h"
#include "graph/parameters.h"
#include "kernels/gradient_quantizer_math.h"
#include "kernels/philox_math.h"
#include "quant/sites.h"

namespace bitsweep::exec {

enum class NormMode {
  train,       // the batch's own statistics; the running ones move by the norm's momentum
  evaluate,    // the running statistics
  reestimate,  // the batch's own; the running ones become the mean over the batches so far
};

// What a step's random draws are addressed by (dropout).
struct StepAddress {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
};

class Training {
 public:
  // `graph` must outlive this object. Throws ConfigError for sites that training has no place for,
  // and for bf16 on a processor without it.
  Training(const graph::Graph& graph, quant::SitePlan sites, config::Precision precision,
           at::Device device);

  const graph::Graph& graph() const { return graph_; }

  // ---- the state that is trained. Flat, float32, on the device ----

  // [elements] as graph::Parameters lays them out, running statistics included.
  at::Tensor& parameters() { return parameters_; }
  const at::Tensor& parameters() const { return parameters_; }
  // Of the last backward(), same layout; 0 where a buffer lies.
  at::Tensor& gradients() { return gradients_; }
  // α of every quantizer that learns one (of `lsq` its step), in the order of alpha_names(); and
  // its gradient. A step that is 0 is still to be found (find_steps()).
  at::Tensor& alphas() { return alphas_; }
  const at::Tensor& alphas() const { return alphas_; }
  at::Tensor& alpha_gradients() { return alpha_gradients_; }
  // The node whose output each α clamps, or the step is of.
  const std::vector<std::string>& alpha_names() const { return alpha_names_; }
  // Which kind of parameter stands where in the flat buffer, buffers left out.
  enum class ParameterKind { weight, bias, norm };
  struct Segment {
    std::string name;
    std::int64_t offset = 0;
    std::int64_t size = 0;
    ParameterKind kind = ParameterKind::weight;
  };
  const std::vector<Segment>& segments() const { return segments_; }

  void load(const graph::Parameters& parameters);
  void store(graph::Parameters& parameters) const;

  // Gives every step that is 0 its first value (exec/learned_step.h), from the values that these
  // images have in training mode, each behind the quantizers before it. Leaves the parameters, the
  // running statistics included.
  void find_steps(const at::Tensor& images);

  // ---- steps ----

  // images: [batch, channels, height, width] float32 or of the precision, in channels-last order,
  // on the device. Returns the logits, [batch, classes] float32.
  at::Tensor forward(const at::Tensor& images, NormMode mode, StepAddress address = {});
  // After forward(): gradients of everything, from d(loss)/d(logits), [batch, classes] float32.
  void backward(const at::Tensor& grad_logits);
  // After backward(): d(loss)/d(images), where asked for by wants_input_gradient.
  void want_input_gradient(bool wanted) { wants_input_gradient_ = wanted; }
  const at::Tensor& input_gradient() const { return input_gradient_; }

  // The value of a node after forward(); undefined where it was fused away. The raw value before
  // its quantizer where `raw`.
  at::Tensor value(graph::NodeId node, bool raw = false) const;

  // Where the last step went wrong: the first parameter, else the first node in execution order,
  // with a value that is not finite. nullopt: none.
  std::optional<std::string> first_not_finite() const;

  at::Device device() const { return device_; }
  const TrainingPlan& plan() const { return plan_; }
  const quant::SitePlan& sites() const { return sites_; }

 private:
  struct LayerState {
    at::Tensor weight, bias;                    // views of parameters_
    at::Tensor weight_gradient, bias_gradient;  // views of gradients_
    std::int64_t scratch_offset = 0;            // of its tanh
    at::Tensor quantized;                       // float32; undefined without a quantizer
    at::Tensor operand;                         // what the convolution reads
    at::Tensor quantizer_state;                 // bytes of WeightQuantizerState
    kernels::GradientQuantizer gradient;        // of the step's gradient_site
    kernels::RandomStream noise;                // of that, in this step
  };
  struct FusedState {
    NormTensors norm;
    at::Tensor affine;
    int alpha = kNone;  // position in alphas_
    kernels::ClampQuantizer quantizer;
    double momentum = 0;
  };
  struct LearnedGridState {
    LearnedStep quantizer;
    int alpha = kNone;
    kernels::AffineGrid grid{};  // in this step
  };

  void make_parameters();
  // The node's tensor "<name>.<kind>" within a flat buffer; undefined where the node has none.
  at::Tensor view(const at::Tensor& flat, graph::NodeId node, std::string_view kind) const;
  std::int64_t make_layer(const LayerStep& step, std::size_t index, std::int64_t scratch_offset);
  void make_fused(const FusedStep& step, std::size_t index);
  void make_learned_grid(const LearnedGridStep& step, std::size_t index);
  // The position of a new α.
  int add_alpha(graph::NodeId node, double first);
  void quantize_weight(LayerState& layer, const LayerStep& step) const;
  void run(const LayerStep& step, std::size_t index);
  void run(const FusedStep& step, std::size_t index);
  void run(const LearnedGridStep& step, std::size_t index);
  void run(const OpStep& step, std::size_t index);
  void run_back(const LayerStep& step, std::size_t index);
  void run_back(const FusedStep& step, std::size_t index);
  void run_back(const LearnedGridStep& step, std::size_t index);
  void run_back(const OpStep& step, std::size_t index);
  kernels::FusedLayer layer_of(const FusedStep& step, std::size_t index) const;
  at::Tensor take_like(const at::Tensor& x);
  // The sum of what has arrived at a slot; undefined where nothing has.
  at::Tensor arrived(SlotId slot);
  void arrive(SlotId slot, at::Tensor gradient);
  at::Tensor& value_buffer(SlotId slot, const at::Tensor& like);
  bool wants_gradient(SlotId slot) const;

  const graph::Graph& graph_;
  quant::SitePlan sites_;
  at::Device device_;
  at::ScalarType type_;
  TrainingPlan plan_;

  at::Tensor parameters_, gradients_, alphas_, alpha_gradients_;
  at::Tensor tanh_;   // float64 scratch of the weight quantizers
  at::Tensor share_;  // float64, [number of norms]: how far running statistics move in this step
  std::vector<std::string> alpha_names_;
  std::vector<Segment> segments_;
  std::vector<graph::TensorSpec> specs_;
  std::vector<std::int64_t> offsets_;      // by tensor spec, in parameters_
  std::vector<LayerState> layers_;         // by step; empty for others
  std::vector<FusedState> fused_;          // by step
  std::vector<LearnedGridState> learned_;  // by step
  std::vector<OpContext> contexts_;        // by step

  FusedScratch scratch_;
  std::vector<at::Tensor> values_;                 // by slot
  std::vector<at::Tensor> buffers_;                // by slot: fused outputs at the largest batch
  std::vector<std::vector<at::Tensor>> arriving_;  // by slot
  std::vector<at::Tensor> pool_;                   // gradient buffers, free where nobody else holds
  NormMode mode_ = NormMode::evaluate;
  std::int64_t reestimated_batches_ = 0;
  std::vector<float> first_alphas_;  // while the object is made
  bool finds_steps_ = false;
  bool wants_input_gradient_ = false;
  at::Tensor input_gradient_;
};

}  // namespace bitsweep::exec
