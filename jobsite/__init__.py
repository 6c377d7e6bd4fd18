"""The project that puts the apps together: settings, addresses, the process that runs it all."""
