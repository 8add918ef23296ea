"""Questions beside the benchmarks: does a backbone suit the method, does a model see a thing or its surroundings?"""
