"""From volumes to ratios, by the declared design: amounts, loading, exposures, dilution. Tables only."""
