// ImageNet, ILSVRC2012 (Russakovsky et al. 2015): 1,281,167 training and 50,000 validation images.
#include "data/dataset.h"
#include "data/imagenet_classes.h"

namespace bitsweep::data {

void register_imagenet(Registry<Dataset>& registry) {
  Dataset dataset;
  dataset.name = "imagenet";
  dataset.summary =
      "ImageNet (ILSVRC2012): 1,281,167 training and 50,000 validation images, 1000 classes";
  dataset.storage = Storage::jpeg;
  dataset.shape = {3, 224, 224};
  dataset.class_ids = imagenet_classes().ids;
  dataset.class_names = imagenet_classes().names;
  dataset.normalize = "imagenet";
  dataset.train.files = {{"ILSVRC2012_img_train.tar", 1'281'167, "", {"train"}}};
  dataset.train.digest = "md5:1d675b47d978889d74fa0da5fadfb00e";
  dataset.test.files = {{"ILSVRC2012_img_val.tar", 50'000, "", {"val", "ILSVRC2012_img_val"}}};
  dataset.test.digest = "md5:29b22e2961454d5413ddabcf34fc5622";
  dataset.folders = {"imagenet", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", ""};
  dataset.remedy =
      "get it from https://image-net.org (an account is needed) and set BITSWEEP_DATA or data.root "
      "to the folder that holds val and train";
  registry.add(std::move(dataset));
}

}  // namespace bitsweep::data
