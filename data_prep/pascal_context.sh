#!/bin/sh
# PASCAL Context for context59 and context60: images of VOC 2010 (1.3 GB), masks drawn from a JSON. No login.
# Usage: sh data_prep/pascal_context.sh ROOT
set -eu
root=${1:?usage: pascal_context.sh ROOT}
mkdir -p "$root"
curl --fail --location --continue-at - --output "$root/VOCtrainval_03-May-2010.tar" \
  http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar
tar --extract --file "$root/VOCtrainval_03-May-2010.tar" --directory "$root" VOCdevkit/VOC2010/JPEGImages
curl --fail --location --continue-at - --output "$root/trainval_merged.json" \
  https://codalabuser.blob.core.windows.net/public/trainval_merged.json
python -m data_prep.pascal_context "$root/trainval_merged.json" "$root"
