"""The posterior's file, and what a posterior says of itself: context, observed persons, intervals, convergence."""
