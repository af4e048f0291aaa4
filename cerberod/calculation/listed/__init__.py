"""Option chains as venues list them: what a method asks of one, and what the worker process makes of it.

Nothing here is a method of its own: each venue reads its chain, hands it over as columns and tells the results.
"""
