"""The posterior's file and its contents: context, observed persons, intervals, convergence, numbers in words."""
