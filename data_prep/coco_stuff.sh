#!/bin/sh
# COCO val2017 with the stuffthingmaps, for coco_stuff and coco_object: 5,000 pairs. 1.5 GB, no login.
# Usage: sh data_prep/coco_stuff.sh ROOT
# The raw maps are read directly; neither train2017 nor a conversion is needed.
set -eu
root=${1:?usage: coco_stuff.sh ROOT}/coco_stuff164k
mkdir -p "$root/images" "$root/annotations"
curl --fail --location --continue-at - --output "$root/val2017.zip" http://images.cocodataset.org/zips/val2017.zip
curl --fail --location --continue-at - --output "$root/stuffthingmaps_trainval2017.zip" \
  http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip
unzip -q -n "$root/val2017.zip" -d "$root/images"
unzip -q -n "$root/stuffthingmaps_trainval2017.zip" 'val2017/*' -d "$root/annotations"
