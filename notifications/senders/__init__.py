"""One module per type of channel; each has `send(outgoing)` that returns, or raises `SendFailed`."""
