#!/bin/sh
# PASCAL VOC 2012 for voc20 and voc21: 1,449 images with palette masks, read as they are shipped. 2.0 GB, no login.
# Usage: sh data_prep/voc2012.sh ROOT
# The Berkeley augmentation (SBD) is training data and not needed.
set -eu
root=${1:?usage: voc2012.sh ROOT}
mkdir -p "$root"
curl --fail --location --continue-at - --output "$root/VOCtrainval_11-May-2012.tar" \
  http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar
tar --extract --file "$root/VOCtrainval_11-May-2012.tar" --directory "$root" \
  VOCdevkit/VOC2012/JPEGImages VOCdevkit/VOC2012/SegmentationClass VOCdevkit/VOC2012/ImageSets/Segmentation
