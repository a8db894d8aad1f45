/* waiting.c: loads a library (this file with -DAS_LIBRARY) whose constructor starts a thread that opens a file, and
 * waits for it. The loader's lock is held meanwhile: whoever looks symbols up in that thread waits for ever. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#ifdef AS_LIBRARY
static void *open_a_file(void *unused)
{
    close(open("/dev/null", O_RDONLY));
    FILE *stream = fopen("/dev/null", "r");
    if (stream)
        fclose(stream);
    return unused;
}

__attribute__((constructor)) static void wait_for_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, open_a_file, NULL) == 0)
        pthread_join(thread, NULL);
}
#else
int main(void)
{
    void *library = dlopen("libwaiting.so", RTLD_NOW);
    if (!library)
        puts(dlerror());
    return !library;
}
#endif
