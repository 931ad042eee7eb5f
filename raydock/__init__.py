"""What every other package rests on: settings, the state folder, units, errors. It imports none of them."""
