"""The foundation of all other packages: settings, the state folder, units, errors. It imports none of them."""
