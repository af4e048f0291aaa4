"""What goes over Deribit's wire, both ways; pure: no socket, no clock.

`frames` builds requests and takes answers apart, `reading` reads single fields or says which one breaks its contract,
`market`, `orders` and `account` hold the models and how they are read, `requests` how writes are built.
"""
