"""Local venues: models that speak a real venue's protocol over the shared matching engine, for rehearsals and tests.

Written from the venues' documents alone; they import no client of ours, so that a misread protocol shows.
"""
