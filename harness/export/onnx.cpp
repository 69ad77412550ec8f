#include "harness/export/onnx.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "harness/export/protobuf.h"

namespace qcface::exports {
namespace {

constexpr std::int64_t kIrVersion = 7, kOpset = 13;
constexpr std::uint64_t kLargestFile = 0x7FFFFFFF;  // protobuf's own bound
enum ElementType : std::int64_t { kFloat = 1, kInt64 = 7 };

// Fields of onnx.proto.
namespace model_proto {
enum { kIr = 1, kProducer = 2, kProducerVersion = 3, kGraph = 7, kOpsets = 8, kMetadata = 14 };
}
namespace graph_proto {
enum { kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12 };
}
namespace node_proto {
enum { kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5 };
}
namespace attribute_proto {
enum { kName = 1, kReal = 2, kInteger = 3, kIntegers = 8, kType = 20 };
enum Type { kTypeReal = 1, kTypeInteger = 2, kTypeIntegers = 7 };
}  // namespace attribute_proto
namespace tensor_proto {
enum { kDims = 1, kType = 2, kName = 8, kRaw = 9 };
}

Message attribute(const char* name, std::int64_t value) {
  Message m;
  m.text(attribute_proto::kName, name).integer(attribute_proto::kInteger, value);
  return std::move(m.integer(attribute_proto::kType, attribute_proto::kTypeInteger));
}
Message attribute(const char* name, float value) {
  Message m;
  m.text(attribute_proto::kName, name).real(attribute_proto::kReal, value);
  return std::move(m.integer(attribute_proto::kType, attribute_proto::kTypeReal));
}
Message attribute(const char* name, const std::vector<std::int64_t>& values) {
  Message m;
  m.text(attribute_proto::kName, name);
  for (const std::int64_t value : values) m.integer(attribute_proto::kIntegers, value);
  return std::move(m.integer(attribute_proto::kType, attribute_proto::kTypeIntegers));
}

// All of a TensorProto but its values, which come right behind.
Message tensor_head(const std::string& name, ElementType type, const std::vector<std::int64_t>& shape,
                    std::uint64_t bytes) {
  Message m;
  for (const std::int64_t extent : shape) m.integer(tensor_proto::kDims, extent);
  m.integer(tensor_proto::kType, type).text(tensor_proto::kName, name);
  return std::move(m.begin(tensor_proto::kRaw, bytes));
}

// A float tensor [N, extents...].
Message value_info(const char* name, const std::vector<std::int64_t>& extents) {
  Message shape;
  shape.message(1, Message().text(2, "N"));
  for (const std::int64_t extent : extents) shape.message(1, Message().integer(1, extent));
  const Message tensor = std::move(Message().integer(1, kFloat).message(2, shape));
  return std::move(Message().text(1, name).message(2, Message().message(1, tensor)));
}

class GraphWriter {
 public:
  GraphWriter(const Weights& weights, const OnnxOptions& options) : weights_(weights), options_(options) {
    const nn::Graph& graph = weights.graph;
    graph_.text(graph_proto::kName, weights.backbone.name);
    const nn::Shape& in = graph.nodes().front().shape;
    graph_.message(graph_proto::kInput, value_info("images", {in.channels, in.height, in.width}));
    values_.resize(graph.nodes().size());
    for (std::size_t i = 0; i < graph.nodes().size(); ++i) add(i);
    graph_.message(graph_proto::kOutput, value_info("embeddings", {weights.embed_dim}));
    if (!options.magnitude) return;
    node("ReduceL2", "magnitudes", {"embeddings"},
         {attribute("axes", std::vector<std::int64_t>{1}), attribute("keepdims", std::int64_t{0})});
    graph_.message(graph_proto::kOutput, value_info("magnitudes", {}));
  }

  const Message& graph() const { return graph_; }

  // As an operator takes it: slopes are [C, 1, 1] to stand beside [N, C, H, W].
  std::vector<std::int64_t> shape_of(const ExportTensor& tensor) const {
    std::vector<std::int64_t> shape = tensor.shape;
    if (slopes_.contains(tensor.name)) shape.insert(shape.end(), {1, 1});
    return shape;
  }

 private:
  void node(const char* op, const std::string& output, const std::vector<std::string>& inputs,
            const std::vector<Message>& attributes = {}) {
    Message m;
    for (const std::string& input : inputs) m.text(node_proto::kInput, input);
    m.text(node_proto::kOutput, output).text(node_proto::kName, output).text(node_proto::kOp, op);
    for (const Message& value : attributes) m.message(node_proto::kAttribute, value);
    graph_.message(graph_proto::kNode, m);
  }
  template <class T>
  void constant(const std::string& name, ElementType type, const std::vector<std::int64_t>& shape,
                const std::vector<T>& values) {
    const std::uint64_t bytes = values.size() * sizeof(T);
    const Message head = tensor_head(name, type, shape, bytes);
    graph_.begin(graph_proto::kInitializer, head.bytes().size() + bytes);
    graph_.raw(head.bytes());
    graph_.raw({reinterpret_cast<const char*>(values.data()), bytes});
  }

  // (x / 255 - mean) / std = (x - 255 mean) / (255 std), after the channels are in the network's order.
  std::string normalised(std::string x) {
    const data::Preparation& p = weights_.file.preparation;
    if (p.bgr) {
      constant<std::int64_t>("channel_order", kInt64, {3}, {2, 1, 0});
      node("Gather", "images_bgr", {x, "channel_order"}, {attribute("axis", std::int64_t{1})});
      x = "images_bgr";
    }
    std::vector<float> mean, std;
    for (const double m : p.mean) mean.push_back(static_cast<float>(255 * m));
    for (const double s : p.std) std.push_back(static_cast<float>(255 * s));
    constant("pixel_mean", kFloat, {1, 3, 1, 1}, mean);
    constant("pixel_std", kFloat, {1, 3, 1, 1}, std);
    node("Sub", "images_centred", {x, "pixel_mean"});
    node("Div", "images_normalised", {"images_centred", "pixel_std"});
    return "images_normalised";
  }

  void add(std::size_t index) {
    const nn::Graph& graph = weights_.graph;
    const nn::Node& n = graph.nodes()[index];
    std::string& out = values_[index];
    out = static_cast<int>(index) == graph.output() ? "embeddings" : n.name;
    std::vector<std::string> inputs;
    for (const int input : n.inputs) inputs.push_back(values_[static_cast<std::size_t>(input)]);
    for (const int p : n.parameters) inputs.push_back(graph.tensors()[static_cast<std::size_t>(p)].name);
    const std::int64_t kernel = n.kernel, stride = n.stride, pad = n.padding;
    switch (n.kind) {
      case nn::NodeKind::kInput:
        out = options_.normalise ? normalised("images") : "images";
        break;
      case nn::NodeKind::kConv:
        node("Conv", out, inputs,
             {attribute("kernel_shape", std::vector{kernel, kernel}),
              attribute("strides", std::vector{stride, stride}),
              attribute("pads", std::vector{pad, pad, pad, pad})});
        break;
      case nn::NodeKind::kBatchNorm:
        node("BatchNormalization", out, inputs, {attribute("epsilon", n.eps)});
        break;
      case nn::NodeKind::kPRelu:
        slopes_.insert(inputs.back());
        node("PRelu", out, inputs);
        break;
      case nn::NodeKind::kAdd:
        node("Add", out, inputs);
        break;
      case nn::NodeKind::kDropout:
        out = inputs.front();
        break;
      case nn::NodeKind::kFullyConnected:
        node("Flatten", n.name + ".flat", {inputs[0]}, {attribute("axis", std::int64_t{1})});
        inputs[0] = n.name + ".flat";
        node("Gemm", out, inputs, {attribute("transB", std::int64_t{1})});
        break;
    }
  }

  const Weights& weights_;
  const OnnxOptions& options_;
  Message graph_;  // but the weights
  std::vector<std::string> values_;
  std::set<std::string> slopes_;
};

void add_metadata(Message& model, const Weights& weights, const OnnxOptions& options) {
  const data::Preparation& p = weights.file.preparation;
  const char* const order = p.bgr ? "BGR" : "RGB";
  const std::pair<const char*, std::string> entries[] = {
      {"family", model::facts_of(weights.file.family).name},
      {"arch", weights.backbone.name},
      {"embedding_width", std::to_string(weights.embed_dim)},
      {"bn_eps", fmt::format("{}", weights.bn_eps)},
      {"channel_order", order},
      {"mean", nlohmann::json(p.mean).dump()},
      {"std", nlohmann::json(p.std).dump()},
      {"normalisation", options.normalise ? "inside" : "outside"},
      {"input", options.normalise
                    ? "pixels 0..255, channels in RGB order"
                    : fmt::format("(pixel / 255 - mean) / std, channels, mean and std in {} order", order)}};
  for (const auto& [key, value] : entries)
    model.message(model_proto::kMetadata, Message().text(1, key).text(2, value));
}

}  // namespace

void write_onnx(const std::filesystem::path& path, const Weights& weights, const OnnxOptions& options) {
  const GraphWriter graph(weights, options);
  std::vector<Message> heads;  // of each initializer: its field in the graph and all of it but its values
  std::uint64_t graph_bytes = graph.graph().bytes().size();
  for (const ExportTensor& tensor : weights.tensors) {
    const std::uint64_t bytes = tensor.bytes();
    const Message head = tensor_head(tensor.name, kFloat, graph.shape_of(tensor), bytes);
    Message& field = heads.emplace_back();
    field.begin(graph_proto::kInitializer, head.bytes().size() + bytes).raw(head.bytes());
    graph_bytes += field.bytes().size() + bytes;
  }
  Message model;
  model.integer(model_proto::kIr, kIrVersion).text(model_proto::kProducer, "qcface");
  model.text(model_proto::kProducerVersion, QCFACE_VERSION);
  model.message(model_proto::kOpsets, Message().text(1, "").integer(2, kOpset));
  add_metadata(model, weights, options);
  model.begin(model_proto::kGraph, graph_bytes);
  const std::uint64_t all = model.bytes().size() + graph_bytes;
  require(
      all <= kLargestFile,
      "{}: the network has {} bytes and an ONNX file may have {}: export .safetensors or .pth, or a narrower "
      "embedding",
      path.string(), all, kLargestFile);
  require_finite(weights);
  AtomicFile file(path);
  file.write(model.bytes());
  file.write(graph.graph().bytes());
  for (std::size_t i = 0; i < heads.size(); ++i) {
    file.write(heads[i].bytes());
    stream(weights, weights.tensors[i], [&](auto block) { file.write(block.data(), block.size()); });
  }
  file.commit();
}

}  // namespace qcface::exports
