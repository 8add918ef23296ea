"""Real photographs without a GPU: Flickr8k's captions, a frozen EfficientNet-Lite2, VOC and COCO to score."""
