/* answers.c - what a worker has answered and not sent yet. */
#include "steering/worker/answers.h"
#include "steering/queues/packet.h"

void skepi_answers_init(struct skepi_answers *answers, int fd)
{
    *answers = (struct skepi_answers){.fd = fd};
    pthread_mutex_init(&answers->lock, NULL);
}

int skepi_answers_add(struct skepi_answers *answers, struct skepi_draft *draft, skep_error *err)
{
    int rc;

    pthread_mutex_lock(&answers->lock);
    rc = skepi_outbox_add(&answers->box, draft, NULL, err);
    pthread_mutex_unlock(&answers->lock);
    return rc;
}

int skepi_answers_flush(struct skepi_answers *answers)
{
    int rc = SKEP_OK;

    pthread_mutex_lock(&answers->lock);
    if (!answers->busy) {
        answers->busy = 1;
        while (rc == SKEP_OK && skepi_outbox_move(&answers->sending, &answers->box, SIZE_MAX) > 0) {
            pthread_mutex_unlock(&answers->lock);
            rc = skepi_packet_send(answers->fd, &answers->sending, 1);
            pthread_mutex_lock(&answers->lock);
        }
        answers->busy = 0;
    }
    pthread_mutex_unlock(&answers->lock);
    return rc;
}

void skepi_answers_fini(struct skepi_answers *answers)
{
    skepi_outbox_fini(&answers->box);
    skepi_outbox_fini(&answers->sending);
    pthread_mutex_destroy(&answers->lock);
}
