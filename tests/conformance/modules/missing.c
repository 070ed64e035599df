/* missing.c - a library that a module needs and that is not found when it is loaded. */
int not_installed(void);
int not_installed(void)
{
    return 0;
}
