"""From ratios to claims: scaling between blots, models, intervals. Tables only."""
