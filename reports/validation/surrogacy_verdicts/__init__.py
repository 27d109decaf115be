"""How often each surrogacy verdict is given, by kind of surrogate and number of trials."""
