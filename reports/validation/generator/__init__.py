"""Does the simulator of trials reproduce what VALOR published?"""
