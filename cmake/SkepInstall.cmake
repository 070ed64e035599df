# Installation is declared here.
