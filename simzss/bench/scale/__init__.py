"""What `simzss bench scale` computes: a run on a corpus from the web, stage by stage, from unit costs."""
