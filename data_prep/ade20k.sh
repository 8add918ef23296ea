#!/bin/sh
# ADE20K as released for the SceneParse150 challenge (not the full release), for ade20k: 2,000 pairs. 1.0 GB, no login.
# Usage: sh data_prep/ade20k.sh ROOT
set -eu
root=${1:?usage: ade20k.sh ROOT}/ade
mkdir -p "$root"
curl --fail --location --continue-at - --output "$root/ADEChallengeData2016.zip" \
  http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip
unzip -q -n "$root/ADEChallengeData2016.zip" 'ADEChallengeData2016/images/validation/*' \
  'ADEChallengeData2016/annotations/validation/*' -d "$root"
