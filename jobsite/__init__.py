"""The project that puts the apps together: settings, addresses, and the process that runs it all."""
